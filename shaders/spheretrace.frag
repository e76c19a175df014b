#version 330 core
// A signed distance on a grid, its surface found by strides of its own length: the twin of
// inversion_core/generators/distance_volume.py.

uniform sampler3D volume;   // red, green, blue, distance at the grid's corners
uniform float corners;      // along a side
uniform float half_side;    // of the grid, world units
uniform float beta;         // softness of the surface
uniform float slope;        // most by which the distance changes along a unit
uniform float reach;        // distance beyond which nothing is seen

uniform mat3 rotation;      // camera axes (right, down, forward) in columns
uniform vec3 origin;
uniform vec2 size;          // of the drawn picture in pixels
uniform float spread;       // slope of a ray at one width of the square picture from its middle
uniform vec2 middle;        // of the network's picture, in widths of the square one
uniform float tangent;      // slope of rays at the network's own edge
uniform float near;         // depth of the first sample
uniform float stride;       // from one sample to the next
uniform int count;
uniform float foreground;   // mean depth from which on a ray shows no head
uniform float behind;       // from these depths to the camera's own
uniform int samples;        // side of the grid of rays in a pixel
uniform int look;           // as in layers.frag
uniform vec3 lamp;
uniform vec2 depth_range;

layout(location = 0) out vec4 picture;
#ifdef SURFACE
layout(location = 1) out vec4 surface;  // unit normal, axial depth; 0 where nothing is
#endif

const float UNSEEN = 1e-3;

// Places are in cells, kept within the grid.
vec4 at(vec3 place) {
    return textureLod(volume, (clamp(place, 0.0, corners - 1.0) + 0.5) / corners, 0.0);
}

void main() {
    vec3 sum = vec3(0.0);
    vec3 facing = vec3(0.0);
    float axial = 0.0;
    float hits = 0.0;
    float side = max(size.x, size.y);
    float to_cells = (corners - 1.0) / (2.0 * half_side);
    for (int ray = 0; ray < samples * samples; ray++) {
        vec2 inside = (vec2(ray % samples, ray / samples) + 0.5) / float(samples);
        vec2 pixel = floor(gl_FragCoord.xy) + inside - 0.5 * size;
        vec2 across = (vec2(pixel.x, -pixel.y) / side + 0.5 - middle) * spread;
        if (max(abs(across.x), abs(across.y)) > tangent) {
            continue;
        }
        vec3 along = rotation * vec3(across, 1.0);
        float span = stride * length(along);
        vec3 start = (origin + near * along + half_side) * to_cells;
        vec3 move = stride * along * to_cells;
        // Samples in the grid; along a side's plane division gives infinities, which are right.
        vec3 one = -start / move;
        vec3 other = (corners - 1.0 - start) / move;
        vec3 entry = min(one, other);
        vec3 leave = max(one, other);
        int i = max(0, int(ceil(max(max(entry.x, entry.y), entry.z))));
        int end = min(count - 1, int(floor(min(min(leave.x, leave.y), leave.z))) + 1);
        float light = 1.0;
        float mean = 0.0;
        vec3 colour = vec3(0.0);
        float met = -1.0;
        float least = 1e9;
        float closest = 0.0;
        while (i < end && light > UNSEEN) {
            vec4 here = at(start + float(i) * move);
            if (here.a > reach) {
                i += max(1, int((here.a - reach) / (slope * span)));
                continue;
            }
#ifdef SURFACE
            if (met < 0.0 && here.a <= 0.0) {
                // The last sample but one was outside, whether it was passed over or not.
                float low = float(max(i - 1, 0));
                float high = float(i);
                float ahead = at(start + low * move).a;
                float behind_it = here.a;
                met = low;
                for (int n = 0; n < 2 && ahead > 0.0; n++) {
                    met = low + (high - low) * ahead / (ahead - behind_it);
                    float found = at(start + met * move).a;
                    if (found > 0.0) {
                        low = met;
                        ahead = found;
                    } else {
                        high = met;
                        behind_it = found;
                    }
                }
            }
            if (here.a < least) {
                least = here.a;
                closest = float(i);
            }
#endif
            float weight = light * (1.0 - exp(-span / (beta * (1.0 + exp(min(here.a / beta, 80.0))))));
            light -= weight;
            mean += weight * float(i);
            colour += weight * here.rgb;
            i++;
        }
        // What is left ends at the last sample: a wall.
        float last = float(count - 1);
        mean += light * last;
        float depth = near + stride * mean;
        if (depth >= foreground) {
            continue;
        }
        sum += min(colour + light * at(start + last * move).rgb, vec3(1.0));
        axial += depth;
        hits += 1.0;
#ifdef SURFACE
        if (met < 0.0) {
            // A ray that only grazes the surface, or a fog: the nearest that it comes.
            float low = closest - 1.0;
            float high = closest + 1.0;
            for (int n = 0; n < 8; n++) {
                float third = (high - low) / 3.0;
                if (at(start + (low + third) * move).a < at(start + (high - third) * move).a) {
                    high -= third;
                } else {
                    low += third;
                }
            }
            met = 0.5 * (low + high);
        }
        vec3 place = start + met * move;
        // Four corners of a cube are enough.
        const vec2 way = vec2(1.0, -1.0);
        vec3 normal = way.xyy * at(place + way.xyy).a + way.yyx * at(place + way.yyx).a;
        normal += way.yxy * at(place + way.yxy).a + way.xxx * at(place + way.xxx).a;
        facing += dot(normal, normal) > 1e-20 ? normalize(normal) : vec3(0.0);
#endif
    }
    float opacity = hits / float(samples * samples);
    sum /= max(hits, 1.0);
    axial = hits > 0.0 ? axial / hits + behind : 0.0;
    picture = vec4(sum * opacity, opacity);
#ifdef SURFACE
    facing = dot(facing, facing) > 1e-20 ? normalize(facing) : vec3(0.0);
    surface = vec4(facing, axial);
    if (look == 1) {
        float grey = 0.16 + 0.62 * clamp(dot(facing, lamp), 0.0, 1.0) + 0.22 * (facing.y * 0.5 + 0.5);
        picture.rgb = clamp(grey * vec3(0.86, 0.84, 0.82), 0.0, 1.0) * opacity;
    } else if (look == 2) {
        picture.rgb = (facing * 0.5 + 0.5) * opacity;
    } else if (look == 3) {
        float share = clamp((axial - depth_range.x) / (depth_range.y - depth_range.x), 0.0, 1.0);
        picture.rgb = vec3(axial > 0.0 ? 1.0 - 0.9 * share : 0.0) * opacity;
    } else if (look == 4) {
        picture.rgb = sum;
    }
#endif
}
