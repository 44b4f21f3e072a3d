/**
 * Einstein's summation. Each letter names an axis; the result has the letters behind the arrow, and all others are
 * summed over. Operands are joined from left to right, each time as a batch of matrix products
 * `[batch, rows, inner] [batch, inner, columns]`: batch are the letters of both that are needed later, inner those of
 * both that aren't, rows and columns those of one.
 */
import { requireText } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { scope } from '../scope.js';
import { formatShape, type Shape, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { eye } from './create.js';
import { mul, where } from './elementwise.js';
import { commonDevice, requireTensors } from './launch.js';
import { matmul } from './matmul.js';
import { expand, sum } from './reduce.js';
import { permute, reshape } from './views.js';

/** A tensor and the letter of each of its axes; those of an ellipsis are numbered from the last: '1', '0'. */
interface Term {
  readonly x: Tensor;
  readonly letters: readonly string[];
}

/**
 * The sum of products that `equation` says, as in NumPy and PyTorch: `einsum('bij,bjk->bik', a, b)`. Without an arrow
 * the result has the letters that occur once, in alphabetical order; `...` stands for axes that broadcast.
 * @throws {ArgumentError} naming the subscripts that don't fit their operand or one another
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  requireText('einsum', 'equation', equation);
  requireTensors('einsum', 'operands', operands);
  commonDevice('einsum', operands);
  const shapes = operands.map((x) => x.shape);
  const { spelled, result, sizes } = parse(equation, shapes);
  return scope(() => {
    const terms = operands.map((x, i): Term => {
      const letters = spelled[i]!;
      return withoutRepeats({ x: expand(x, shapeOf(letters, sizes)), letters });
    });
    const joined = terms.reduce((a, b, i) => {
      const later = terms.slice(i + 1).flatMap(({ letters }) => letters);
      return join(a, b, [...result, ...later], sizes);
    });
    return arranged(summed(joined, result), result);
  });
}

/** The letters of each operand and of the result, and how many elements each letter's axis has. */
function parse(equation: string, shapes: readonly Shape[]) {
  const fail = (what: string): never => {
    throw new ArgumentError(`einsum: '${equation}': ${what}`);
  };
  const isDot = (letter: string): boolean => /\d/.test(letter);
  const [left = '', right, ...more] = equation.replace(/\s/g, '').split('->');
  const subscripts = left.split(',');
  if (more.length > 0) fail('there is more than one arrow');
  if (subscripts.length !== shapes.length)
    fail(`has subscripts for ${subscripts.length} operands, got ${shapes.length}`);
  const spell = (text: string, hidden: number): string[] => {
    if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(text)) fail(`'${text}' isn't letters and at most one ...`);
    return [...text.replace('...', '.')].flatMap((letter) =>
      letter === '.' ? Array.from({ length: hidden }, (_, i) => String(hidden - 1 - i)) : [letter],
    );
  };
  const sizes = new Map<string, number>();
  const spelled = subscripts.map((text, i) => {
    const shape = shapes[i]!;
    const letters = spell(text, Math.max(0, shape.length - text.replace('...', '').length));
    if (letters.length !== shape.length)
      fail(`'${text}' doesn't fit operand ${i}, which is ${formatShape(shape)}`);
    for (const [axis, letter] of letters.entries()) {
      const [known, n] = [sizes.get(letter) ?? 1, shape[axis]!];
      if (known !== 1 && n !== 1 && n !== known) {
        const what = isDot(letter) ? `an axis of '...'` : letter;
        fail(`${what} is ${known}, but ${n} in operand ${i}, which is ${formatShape(shape)}`);
      }
      sizes.set(letter, known === 1 ? n : known);
    }
    return letters;
  });
  const all = spelled.flat();
  const once = all.filter((letter) => !isDot(letter) && all.indexOf(letter) === all.lastIndexOf(letter));
  const dots = [...sizes.keys()].filter(isDot).length;
  const result = spell(right ?? `...${once.sort().join('')}`, dots);
  for (const [i, letter] of result.entries()) {
    if (!sizes.has(letter)) fail(`${letter} of the result is in no operand`);
    if (result.indexOf(letter) !== i) fail(`${letter} is in the result twice`);
  }
  return { spelled, result, sizes };
}

function shapeOf(letters: readonly string[], sizes: ReadonlyMap<string, number>): number[] {
  return letters.map((letter) => sizes.get(letter)!);
}

/** The term with the diagonal in place of two axes of one letter: what is left of a sum where all else is 0. */
function withoutRepeats({ x, letters }: Term): Term {
  const second = letters.findIndex((letter, axis) => letters.indexOf(letter) < axis);
  if (second < 0) return { x, letters };
  const first = letters.indexOf(letters[second]!);
  const n = x.shape[second]!;
  const square = x.shape.map((_, axis) => (axis === first || axis === second ? n : 1));
  const diagonal = where(reshape(eye(n, { device: x.device }), square), x, 0);
  return withoutRepeats({ x: sum(diagonal, { axes: second }), letters: letters.toSpliced(second, 1) });
}

/** The term summed over the letters that aren't `kept`. */
function summed({ x, letters }: Term, kept: readonly string[]): Term {
  const axes = [...letters.keys()].filter((axis) => !kept.includes(letters[axis]!));
  if (axes.length === 0) return { x, letters };
  return { x: sum(x, { axes }), letters: letters.filter((letter) => kept.includes(letter)) };
}

/** The term's axes in the order of `letters`, of size 1 for one that it hasn't. */
function arranged({ x, letters }: Term, order: readonly string[]): Tensor {
  const axes = order.map((letter) => letters.indexOf(letter));
  const [own, shape] = [axes.filter((axis) => axis >= 0), axes.map((axis) => x.shape[axis] ?? 1)];
  return reshape(permute(x, own), shape);
}

/** The product of two terms, summed over what isn't `kept`. */
function join(left: Term, right: Term, kept: readonly string[], sizes: ReadonlyMap<string, number>): Term {
  const a = summed(left, [...kept, ...right.letters]);
  const b = summed(right, [...kept, ...left.letters]);
  const shared = a.letters.filter((letter) => b.letters.includes(letter));
  const batch = shared.filter((letter) => kept.includes(letter));
  const inner = shared.filter((letter) => !kept.includes(letter));
  const rows = a.letters.filter((letter) => !shared.includes(letter));
  const columns = b.letters.filter((letter) => !shared.includes(letter));
  const letters = [...batch, ...rows, ...columns];
  if (inner.length === 0) return { x: mul(arranged(a, letters), arranged(b, letters)), letters };
  const matrices = (term: Term, ...groups: readonly string[][]): Tensor => {
    const shape = groups.map((group) => sizeOf(shapeOf(group, sizes)));
    return reshape(arranged(term, groups.flat()), shape);
  };
  const product = matmul(matrices(a, batch, rows, inner), matrices(b, batch, inner, columns));
  return { x: reshape(product, shapeOf(letters, sizes)), letters };
}
