#version 330 core
// A finished picture put where the viewport shows it; colours are multiplied by opacity already.

uniform sampler2D shown;
uniform vec4 place;         // left, bottom, width and height in pixels of the target

out vec4 colour;

void main() {
    colour = textureLod(shown, (gl_FragCoord.xy - place.xy) / place.zw, 0.0);
}
