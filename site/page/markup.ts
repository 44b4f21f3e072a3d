/**
 * Texts in markup: the words of the language that the page is written in, and their name for when another is chosen.
 */
import { en, type Texts } from '../texts/en.js';
import { ko } from '../texts/ko.js';
import type { Language, TextName } from './language.js';

let texts: Texts = en;

/** Chooses the language that markup is written in. */
export function writeIn(language: Language): void {
  texts = language === 'ko' ? ko : en;
}

/** A text with its name. */
function named(name: TextName): string {
  return `<span data-t="${name}">${texts[name]}</span>`;
}

/** A text alone, for attributes and titles. */
const plain = (name: TextName): string => texts[name].replaceAll('"', '&quot;');

/** A text with its name; `markup.plain` without. */
export const markup = Object.assign(named, { plain });
