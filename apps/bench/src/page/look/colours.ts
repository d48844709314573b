import * as Plot from '@observablehq/plot';

/** Red, green and blue, 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

const STEPS = 256;
const viridis = Plot.scale({ color: { type: 'linear', scheme: 'viridis', domain: [0, STEPS - 1] } });
const categorical = Plot.scale({ color: { type: 'categorical', scheme: 'tableau10', domain: Array.from({ length: 10 }, (_, i) => i) } });

/** Viridis, from low to high: even steps look even, to the colour-blind and in grey as well. */
const HEAT: readonly Colour[] = Array.from({ length: STEPS }, (_, step) => colourOf(String(viridis.apply(step))));
const CLASSES: readonly Colour[] = Array.from({ length: 10 }, (_, label) => colourOf(String(categorical.apply(label))));

/** The colour of a value between 0, low, and 1, high. */
export function heatColour(value: number): Colour {
  return HEAT[Math.round(Math.min(1, Math.max(0, value)) * (STEPS - 1))];
}

/** The colour of a class. Those after the tenth, which are backgrounds, are a dark grey. */
export function classColour(label: number): Colour {
  return CLASSES[label] ?? [40, 40, 40];
}

export function css([red, green, blue]: Colour): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** The heat colours from left to right, as a CSS background. */
export const HEAT_GRADIENT = `linear-gradient(to right, ${Array.from({ length: 9 }, (_, i) => css(heatColour(i / 8))).join(', ')})`;

/** `#rrggbb` */
function colourOf(hex: string): Colour {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
