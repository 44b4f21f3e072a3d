/**
 * Names of classes in the chosen language: those of the drawn images are translated, others are the visitor's own.
 */
import { say, type TextName } from '../../page/language.js';

const drawn: Readonly<Record<string, TextName>> = {
  disc: 'classDisc',
  ring: 'classRing',
  square: 'classSquare',
  triangle: 'classTriangle',
  star: 'classStar',
  cross: 'classCross',
  stripes: 'classStripes',
  checks: 'classChecks',
  dots: 'classDots',
  spiral: 'classSpiral',
};

/** A class as the page calls it. */
export function className(name: string): string {
  const text = Object.hasOwn(drawn, name) ? drawn[name] : undefined;
  return text ? say(text) : name;
}
