#version 330 core
// One layer of a head: vertices to the picture, and what its fragments need.

uniform mat3 rotation;      // world to camera axes
uniform vec3 translation;
uniform mat3 intrinsics;    // normalised: (u, v, 1) = intrinsics * (x / z, y / z, 1), v down
uniform vec2 fit;           // square picture's side over the drawn width and height
uniform vec2 depth_terms;   // depth = x + y / w, nearest -1, farthest 1
uniform float lead;         // world units by which the whole layer counts as nearer

in vec3 position;
in float behind;            // world units by which a vertex counts as farther
in vec3 normal;
in vec3 light;
in vec4 seen_at;            // u, v, weight, mirrored u
in vec4 mirrored;           // mirrored v, its weight, gain red, green
in vec4 carried;            // gain blue, colour
in vec3 cover;              // opacity, seen, seen straight

out vec4 v_seen_at;
out vec4 v_mirrored;
out vec4 v_carried;
out vec3 v_cover;
out vec3 v_light;
out vec3 v_normal;

void main() {
    vec3 local = rotation * position + translation;
    vec3 pixel = intrinsics * local;
    vec2 at = (pixel.xy / pixel.z * 2.0 - 1.0) * fit;
    // What counts as farther stays where it is in the picture: only w moves.
    float w = local.z + behind - lead;
    gl_Position = vec4(at.x * w, -at.y * w, depth_terms.x * w + depth_terms.y, w);
    v_seen_at = seen_at;
    v_mirrored = mirrored;
    v_carried = carried;
    v_cover = cover;
    v_light = light;
    v_normal = normal;
}
