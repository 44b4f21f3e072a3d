/**
 * Markup of sliders and switches.
 */
import type { TextName } from './language.js';
import { markup as m } from './markup.js';

/** A slider with its label and its number. */
export function slider(
  id: string,
  label: TextName | { readonly symbol: string },
  [min, max, step, value]: readonly [min: number, max: number, step: number, value: number],
): string {
  const name = typeof label === 'string' ? m(label) : `<i>${label.symbol}</i>`;
  return `<label class="slider" for="${id}"><span>${name} <output id="${id}-out" for="${id}">${value}</output></span><input id="${id}" type="range" min="${min}" max="${max}" step="${step}" value="${value}"></label>`;
}

/** A box to tick. */
export function checkbox(id: string, label: TextName): string {
  return `<label class="tick"><input id="${id}" type="checkbox"> ${m(label)}</label>`;
}
