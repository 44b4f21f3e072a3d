/**
 * Sliders that draw something anew whenever one moves.
 */
import { byId, setText } from './dom.js';
import { onLanguage } from './language.js';

/** A slider's number as its label shows it. */
export type Format = (value: number) => string;

/**
 * Calls `draw` with the sliders' numbers by name: now, when one moves, and in another language.
 * @param formats of the sliders by name; a slider's id is `prefix-name`, its output's `prefix-name-out`
 */
export function sliders<N extends string>(
  prefix: string,
  formats: Readonly<Record<N, Format>>,
  draw: (values: Readonly<Record<N, number>>) => void,
): () => void {
  const names = Object.keys(formats).filter((name): name is N => name in formats);
  const inputs = names.map((name) => byId(`${prefix}-${name}`, HTMLInputElement));
  const all = (): void => {
    const values: Partial<Record<N, number>> = {};
    for (const [i, name] of names.entries()) {
      const value = inputs[i]?.valueAsNumber ?? 0;
      values[name] = value;
      setText(byId(`${prefix}-${name}-out`, HTMLElement), formats[name](value));
    }
    if (isWhole(values, names)) draw(values);
  };
  for (const input of inputs) input.addEventListener('input', all);
  onLanguage(all);
  return all;
}

function isWhole<N extends string>(
  values: Partial<Record<N, number>>,
  names: readonly N[],
): values is Record<N, number> {
  return names.every((name) => values[name] !== undefined);
}
