#version 330 core
// Photo, mirrored photo and carried colours, mixed by weights: the twin of inversion_core/shading.py.

uniform sampler2D photo;    // colour, and in alpha the mask that trims this layer
uniform sampler2D other;    // the picture that mirrored positions refer to
uniform float straight;     // 0 .. 1, how near the view is to the photo's own
uniform bool signed_mask;   // whether the mask is 0.5 at the outline, less beyond
uniform vec2 closing;       // how the outline closes above the photo: slope, and what it leans more for a width
uniform float soft;         // share of the way within which an edge fades
uniform bool trimmed;       // whether the mask and the tones below count
uniform vec3 under;         // factors on what shines through
uniform vec3 skin_tone;
uniform vec3 hair_tone;
uniform vec3 forward;       // the camera's axis
uniform float spared;       // how far brightening spares highlights, trimmed layers only
uniform float inner_share;  // brightness of sides that face away; 1 for closed surfaces

in vec4 v_seen_at;
in vec4 v_mirrored;
in vec4 v_carried;
in vec3 v_cover;
in vec3 v_light;
in vec3 v_normal;

layout(location = 0) out vec4 colour;
#ifdef SURFACE
layout(location = 1) out vec4 facing;
#endif

void main() {
    vec2 uv = v_seen_at.xy;
    float weight = clamp(v_seen_at.z + (v_cover.z - v_seen_at.z) * straight, 0.0, 1.0);
    float mirror_weight = clamp(v_mirrored.y, 0.0, 1.0);
    vec4 shown = textureLod(photo, uv, 0.0);
    float opacity = v_cover.x;
    if (trimmed) {
        float past = max(-uv.y, 0.0);
        float aside = past * (closing.x + closing.y * past) * (uv.x > 0.5 ? 1.0 : -1.0);
        float mask = textureLod(photo, vec2(uv.x + aside, uv.y), 0.0).a;
        mask = signed_mask ? mask * 2.0 - 1.0 : mask;
        float trusted = clamp(1.0 - ((1.0 - straight) * (1.0 + soft) + min(mask, 0.0)) / soft, 0.0, 1.0);
        float seen = v_cover.y + (1.0 - v_cover.y) * trusted;
        opacity += seen * (max(mask, 0.0) - opacity);
    }
    opacity = clamp(opacity, 0.0, 1.0);

    vec3 gain = vec3(v_mirrored.zw, v_carried.x);
    vec3 base = v_carried.yzw;
    if (mirror_weight > 0.003) {
        vec3 reflected = textureLod(other, vec2(v_seen_at.w, v_mirrored.x), 0.0).rgb;
        base += mirror_weight * (reflected * gain - base);
    }
    if (weight > 0.003) {
        base += weight * (shown.rgb - base);
    }

    // A fringe is half skin: recolouring hair must not burn a rim into the forehead.
    float own = 1.0;
    if (trimmed) {
        own = smoothstep(0.5, 0.98, opacity);
        vec3 between = hair_tone - skin_tone;
        float apart = dot(between, between);
        if (apart > 0.02) {
            float looks = clamp((dot(base - skin_tone, between) / apart - 0.4) / 0.45, 0.0, 1.0);
            float whole = clamp((opacity - 0.9) / 0.095, 0.0, 1.0);
            own *= looks + (1.0 - looks) * whole;
        }
    }
    vec3 factor = (1.0 + (v_light - 1.0) * own) * (1.0 + (under - 1.0) * (1.0 - own));
    if (trimmed) {
        vec3 brighter = max(factor - 1.0, 0.0);
        factor /= 1.0 + spared * base * brighter;
    }
    vec3 lit = clamp(base * factor, 0.0, 1.0);

    bool inner = inner_share < 1.0 && dot(v_normal, forward) > 0.15;
    colour = vec4(inner ? lit * inner_share : lit, opacity);
#ifdef SURFACE
    facing = vec4(inner ? -v_normal : v_normal, 0.0);
#endif
}
