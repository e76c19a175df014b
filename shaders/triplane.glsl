// Three planes read as a volume, and the decoder behind them: the twin of inversion_core/generators/triplane.py.

uniform sampler2DArray planes;  // three times LAYERS of four channels, with a border of zeros
uniform float plane_side;       // texels along a side, without the border
uniform float box_warp;         // side of the cube that the planes cover, world units

layout(std140) uniform Decoder {
    vec4 first[HIDDEN * LAYERS];    // rows of the first layer
    vec4 first_bias[HIDDEN / 4];
    vec4 second[HIDDEN];            // columns of the second: density, red, green, blue
    vec4 second_bias;
};

vec2 texel(vec2 at) {
    // What lies outside reads the border, as zeros.
    return clamp((plane_side * (at + 0.5) + 1.0) / (plane_side + 2.0), 0.0, 1.0);
}

// Raw density, and colour before its sigmoid.
vec4 decoded(vec3 point) {
    vec3 at = point / box_warp;
    vec2 uv[3] = vec2[3](texel(at.xy), texel(at.xz), texel(at.zx));
    vec4 features[LAYERS];
    for (int layer = 0; layer < LAYERS; layer++) {
        vec4 sum = vec4(0.0);
        for (int plane = 0; plane < 3; plane++) {
            sum += textureLod(planes, vec3(uv[plane], float(plane * LAYERS + layer)), 0.0);
        }
        features[layer] = sum / 3.0;
    }
    vec4 result = second_bias;
    for (int j = 0; j < HIDDEN; j++) {
        float x = first_bias[j / 4][j % 4];
        for (int layer = 0; layer < LAYERS; layer++) {
            x += dot(first[j * LAYERS + layer], features[layer]);
        }
        result += second[j] * (x > 20.0 ? x : log(1.0 + exp(x)));
    }
    return result;
}

float density(float raw) {
    float x = raw - 1.0;
    return x > 20.0 ? x : log(1.0 + exp(x));
}
