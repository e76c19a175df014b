#version 330 core
// Head, shell and hair over one another by depth, reduced to the picture: the twin of inversion_core/drawing.py.

uniform sampler2D head_colour;
uniform sampler2D head_depth;
uniform sampler2D shell_colour;
uniform sampler2D shell_depth;
uniform sampler2D hair_colour;
uniform sampler2D hair_depth;
uniform int samples;        // side of the grid of samples in a pixel
#ifdef SURFACE
uniform sampler2D head_facing;
uniform sampler2D shell_facing;
uniform sampler2D hair_facing;
uniform vec2 depth_terms;   // as in layer.vert
uniform int look;           // 0 photo, 1 clay, 2 normals, 3 depth, 4 colour not multiplied by opacity
uniform vec3 lamp;          // direction to the lamp of the clay look, world axes
uniform vec2 depth_range;   // nearest and farthest grey of the depth look, world units

layout(location = 1) out vec4 surface;  // unit normal, axial depth; 0 where nothing is
#endif
layout(location = 0) out vec4 picture;

struct Pixel {
    vec3 colour;
    float opacity;
    float depth;            // of the depth buffer; 1 is nothing
    vec3 facing;
};

void cover(inout Pixel below, vec4 layer, float depth, vec3 facing) {
    float alpha = layer.a;
    if (depth >= 1.0 || alpha <= 0.004) {
        return;
    }
    bool front = depth < below.depth;
    float first = front ? alpha : alpha * (1.0 - below.opacity);
    float second = front ? below.opacity * (1.0 - alpha) : below.opacity;
    float total = first + second;
    if (total > 1e-6) {
        below.colour = (layer.rgb * first + below.colour * second) / total;
    }
    below.opacity = total;
    if (front && alpha > 0.5) {
        below.depth = depth;
        below.facing = facing;
    }
}

void main() {
    ivec2 corner = ivec2(gl_FragCoord.xy) * samples;
    vec3 sum = vec3(0.0);
    float covered = 0.0;
#ifdef SURFACE
    float solid = 0.0;
    float axial = 0.0;
    vec3 normal = vec3(0.0);
#endif
    for (int y = 0; y < samples; y++) {
        for (int x = 0; x < samples; x++) {
            ivec2 at = corner + ivec2(x, y);
            vec3 none = vec3(0.0);
            vec4 head = texelFetch(head_colour, at, 0);
            Pixel pixel = Pixel(head.rgb, head.a, texelFetch(head_depth, at, 0).r, none);
#ifdef SURFACE
            pixel.facing = texelFetch(head_facing, at, 0).xyz;
            vec3 shell_normal = texelFetch(shell_facing, at, 0).xyz;
            vec3 hair_normal = texelFetch(hair_facing, at, 0).xyz;
#else
            vec3 shell_normal = none;
            vec3 hair_normal = none;
#endif
            cover(pixel, texelFetch(shell_colour, at, 0), texelFetch(shell_depth, at, 0).r, shell_normal);
            cover(pixel, texelFetch(hair_colour, at, 0), texelFetch(hair_depth, at, 0).r, hair_normal);
            sum += pixel.colour * pixel.opacity;
            covered += pixel.opacity;
#ifdef SURFACE
            normal += pixel.facing;
            if (pixel.depth < 1.0) {
                solid += 1.0;
                axial += depth_terms.y / (pixel.depth * 2.0 - 1.0 - depth_terms.x);
            }
#endif
        }
    }
    float count = float(samples * samples);
    picture = vec4(sum, covered) / count;
#ifdef SURFACE
    axial = solid > 0.5 * count ? axial / solid : 0.0;
    normal = length(normal) > 1e-3 * count ? normalize(normal) : vec3(0.0);
    surface = vec4(normal, axial);
    float opacity = picture.a;
    if (look == 1) {
        float grey = 0.16 + 0.62 * clamp(dot(normal, lamp), 0.0, 1.0) + 0.22 * (normal.y * 0.5 + 0.5);
        picture.rgb = clamp(grey * vec3(0.86, 0.84, 0.82), 0.0, 1.0) * opacity;
    } else if (look == 2) {
        picture.rgb = (normal * 0.5 + 0.5) * opacity;
    } else if (look == 3) {
        float share = clamp((axial - depth_range.x) / (depth_range.y - depth_range.x), 0.0, 1.0);
        picture.rgb = vec3(axial > 0.0 ? 1.0 - 0.9 * share : 0.0) * opacity;
    } else if (look == 4) {
        picture.rgb /= max(opacity, 1e-4);
    }
#endif
}
