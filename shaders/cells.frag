#version 330 core
// The largest density near each cell of the grid: its own corners and one more ring of them.

uniform sampler2D at_corners;
uniform int corners;
uniform int corner_columns;
uniform int columns;

out float value;

void main() {
    int cells = corners - 1;
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    ivec2 slice = pixel / cells;
    ivec3 cell = ivec3(pixel % cells, slice.y * columns + slice.x);
    value = 0.0;
    for (int z = -1; z <= 2; z++) {
        for (int y = -1; y <= 2; y++) {
            for (int x = -1; x <= 2; x++) {
                ivec3 at = clamp(cell + ivec3(x, y, z), ivec3(0), ivec3(cells));
                ivec2 place = ivec2(at.z % corner_columns, at.z / corner_columns) * corners + at.xy;
                value = max(value, texelFetch(at_corners, place, 0).r);
            }
        }
    }
}
