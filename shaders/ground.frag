#version 330 core
// What lies behind heads: from one colour at the top to another at the bottom.

uniform vec3 top;
uniform vec3 bottom;
uniform float height;       // of the target in pixels

out vec4 colour;

void main() {
    colour = vec4(mix(bottom, top, gl_FragCoord.y / height), 1.0);
}
