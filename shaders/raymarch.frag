#version 330 core
// A triplane marched front to back: the twin of inversion_core/volume.py with evenly spaced samples.

#include "triplane.glsl"

uniform sampler2D cells;    // largest density near each cell, slices in one flat picture
uniform int cell_count;     // along a side
uniform int columns;        // slices beside one another
uniform float empty;        // density below which a cell is passed over

uniform mat3 rotation;      // camera to world
uniform vec3 origin;
uniform mat3 unprojected;   // inverse of the normalised intrinsics
uniform vec2 size;          // of the drawn picture in pixels
uniform vec2 limits;        // depths between which rays are sampled; both 0 for the box
uniform float shift;        // share of the range by which both ends lie farther
uniform int steps;
uniform int samples;        // side of the grid of rays in a pixel
uniform bool white_back;
uniform int look;           // as in layers.frag
uniform vec2 depth_range;

layout(location = 0) out vec4 picture;
#ifdef SURFACE
layout(location = 1) out vec4 surface;
#endif

const float OPAQUE = 1e-3;  // light left behind at which a ray ends

float largest(ivec3 cell) {
    ivec2 slice = ivec2(cell.z % columns, cell.z / columns) * cell_count;
    return texelFetch(cells, slice + cell.xy, 0).r;
}

// Where a ray enters and leaves a box; nothing where the first is larger.
vec2 crossed(vec3 direction, vec3 low, vec3 high) {
    vec3 one = (low - origin) / direction;
    vec3 other = (high - origin) / direction;
    vec3 entry = min(one, other);
    vec3 leave = max(one, other);
    return vec2(max(max(entry.x, entry.y), entry.z), min(min(leave.x, leave.y), leave.z));
}

void march(vec3 direction, out vec3 colour, out float covered, out float depth) {
    colour = vec3(0.0);
    covered = 0.0;
    depth = 0.0;
    vec2 range = limits;
    vec2 box = crossed(direction, vec3(-0.5 * box_warp), vec3(0.5 * box_warp));
    if (range.y <= range.x) {
        range = box;
        if (range.y <= range.x) {
            return;
        }
    }
    range += shift * (range.y - range.x);
    float stride = (range.y - range.x) / float(steps);
    float left = 1.0;
    int i = 0;
    while (i < steps && left > OPAQUE) {
        float t = range.x + (float(i) + 0.5) * stride;
        vec3 point = origin + t * direction;
        vec3 at = (point / box_warp + 0.5) * float(cell_count);
        ivec3 cell = ivec3(floor(at));
        // Outside the box the planes read as zeros, which are no empty space for every decoder.
        if (cell == clamp(cell, ivec3(0), ivec3(cell_count - 1)) && largest(cell) < empty) {
            float side = box_warp / float(cell_count);
            vec3 low = vec3(cell) * side - 0.5 * box_warp;
            float leave = crossed(direction, low, low + side).y;
            i = max(i + 1, int(ceil((leave - range.x) / stride - 0.5)));
            continue;
        }
        vec4 raw = decoded(point);
        float alpha = 1.0 - exp(-density(raw.x) * stride);
        vec3 shown = 1.002 / (1.0 + exp(-raw.yzw)) - 0.001;
        colour += left * alpha * shown;
        depth += left * alpha * t;
        covered += left * alpha;
        left *= 1.0 - alpha;
        i++;
    }
    depth = covered > 1e-6 ? depth / covered : range.y;
    if (white_back) {
        colour += 1.0 - covered;
    }
}

void main() {
    vec3 sum = vec3(0.0);
    float opacity = 0.0;
    float axial = 0.0;
    float side = max(size.x, size.y);
    for (int y = 0; y < samples; y++) {
        for (int x = 0; x < samples; x++) {
            vec2 inside = (vec2(x, y) + 0.5) / float(samples);
            vec2 pixel = floor(gl_FragCoord.xy) + inside - 0.5 * size;
            vec2 uv = vec2(pixel.x, -pixel.y) / side + 0.5;
            vec3 local = unprojected * vec3(uv, 1.0);
            float along = 1.0 / length(local);
            vec3 colour;
            float covered;
            float depth;
            march(rotation * local * along, colour, covered, depth);
            sum += colour;
            opacity += covered;
            axial += depth * along;
        }
    }
    float count = float(samples * samples);
    sum = clamp(sum / count, 0.0, 1.0);
    opacity = clamp(opacity / count, 0.0, 1.0);
    axial /= count;
    picture = vec4(sum * opacity, opacity);
#ifdef SURFACE
    surface = vec4(0.0, 0.0, 0.0, axial);
    if (look == 3) {
        float share = clamp((axial - depth_range.x) / (depth_range.y - depth_range.x), 0.0, 1.0);
        picture.rgb = vec3(1.0 - 0.9 * share) * opacity;
    } else if (look == 4) {
        picture.rgb = sum;
    }
#endif
}
