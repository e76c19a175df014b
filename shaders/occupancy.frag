#version 330 core
// Densities at the corners of a grid over the box; slice by slice along z in one flat picture.

#include "triplane.glsl"

uniform int corners;        // along a side
uniform int columns;        // slices beside one another

out float value;

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    ivec2 slice = pixel / corners;
    ivec3 corner = ivec3(pixel % corners, slice.y * columns + slice.x);
    if (corner.z >= corners) {
        value = 0.0;
        return;
    }
    value = density(decoded((vec3(corner) / float(corners - 1) - 0.5) * box_warp).x);
}
