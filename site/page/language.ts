/**
 * The page's words in the language that was chosen. Markup names its texts (`data-t`), so that another language takes
 * their place without loading the page again; what changes while the page is open asks `say`.
 */
import { en, type Texts } from '../texts/en.js';

/** The languages the page is in. */
export type Language = 'en' | 'ko';

/** A name of a text. */
export type TextName = keyof Texts;

let texts: Texts = en;
let language: Language = 'en';
const listeners = new Set<() => void>();

/** Fills in the numbers and names of a text. */
export function fill(text: string, values: Readonly<Record<string, string | number>> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A text in the chosen language, with its places filled in. */
export function say(name: TextName, values?: Readonly<Record<string, string | number>>): string {
  return fill(texts[name], values);
}

/** The chosen language, for numbers. */
export function chosenLanguage(): Language {
  return language;
}

/** Calls back now and whenever another language was chosen. */
export function onLanguage(draw: () => void): void {
  listeners.add(draw);
  draw();
}

/** Puts the page into a language. */
export async function speak(chosen: Language): Promise<void> {
  texts = chosen === 'ko' ? (await import('../texts/ko.js')).ko : en;
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = texts.title;
  for (const element of document.querySelectorAll<HTMLElement>('[data-t]')) {
    const name = element.dataset.t;
    if (isName(name)) element.innerHTML = texts[name];
  }
  for (const element of document.querySelectorAll<HTMLElement>('[data-label]')) {
    const name = element.dataset.label;
    if (isName(name)) element.setAttribute('aria-label', texts[name]);
  }
  for (const draw of listeners) draw();
}

function isName(name: string | undefined): name is TextName {
  return name !== undefined && Object.hasOwn(texts, name);
}

/** A number as this language writes it. */
export function count(n: number): string {
  return Math.round(n).toLocaleString(language);
}

/** A fraction as a percentage with one digit. */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}
