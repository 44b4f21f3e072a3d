/**
 * Normalizations by mean and variance: `y = (x - mean) / sqrt(variance + eps) * weight + bias`, the variance that of
 * all elements there are (correction 0). They differ in what mean and variance are taken over:
 *
 *     layerNorm   the last axes of each example                 x [..., shape]
 *     groupNorm   the channels of a group and their pixels      x [N, C, ...]
 *     batchNorm   a channel in all examples and pixels          x [N, C, ...]
 */
import { readOptions, requireBoolean, requireNumber, requireWhole } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import { checkShape, formatShape, type Shape, sameShape, sizeOf } from '../shape.js';
import { Tensor } from '../tensor.js';
import { commonDevice, record, requireDType, requireFloats, requireTensor } from './launch.js';
import { type RowProgram, rowProgram, runRows } from './rows.js';
import { momentsInParts, writeMoments } from './variance.js';
import { reshape } from './views.js';

/** Options of all normalizations. */
export interface NormOptions {
  /** Factor on the result; none by default. */
  readonly weight?: Tensor | null | undefined;
  /** Added to the result; none by default. */
  readonly bias?: Tensor | null | undefined;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number | undefined;
}

/** Options of `batchNorm`. */
export interface BatchNormOptions extends NormOptions {
  /** Take mean and variance of the batch (true, the default), or those given. */
  readonly training?: boolean | undefined;
  /** `[C]`, outside training. */
  readonly mean?: Tensor | null | undefined;
  /** `[C]`, outside training. */
  readonly variance?: Tensor | null | undefined;
}

/** What `batchNorm` gives. */
export interface BatchNormResult {
  /** Of x's shape. */
  readonly out: Tensor;
  /** `[C]`, of the batch, without gradient; outside training that given. */
  readonly mean: Tensor;
  /** As `mean`; of all n elements there are: `n / (n - 1)` times it is the estimate without bias. */
  readonly variance: Tensor;
}

const normDefaults = { weight: null, bias: null, eps: 1e-5 };

/**
 * Normalizes each example over its last axes.
 * @param shape of these axes, or the size of the last one; `weight` and `bias` have it too
 * @throws {ArgumentError} when x doesn't end in it
 */
export function layerNorm(x: Tensor, shape: number | Shape, options: NormOptions = {}): Tensor {
  const op = 'layerNorm';
  const norm = readOptions(op, options, normDefaults);
  requireFloats(op, 'x', x);
  requireNumber(op, 'eps', norm.eps);
  const own = typeof shape === 'number' ? [shape] : shape;
  checkShape(op, own);
  const lead = x.shape.length - own.length;
  if (own.length === 0 || !sameShape(x.shape.slice(lead), own)) {
    throw new ArgumentError(`${op}: x is ${formatShape(x.shape)}, expected it to end in [${own.join(', ')}]`);
  }
  requireParts(op, x, { weight: norm.weight, bias: norm.bias }, own);
  const axes = own.map((_, axis) => lead + axis);
  return standardize(op, x, axes, norm, own).out;
}

/**
 * Normalizes each example over each of `groups` groups of channels and their pixels. x `[N, C, ...]`, `weight` and
 * `bias` `[C]`.
 * @throws {ArgumentError} when the groups don't divide the channels
 */
export function groupNorm(x: Tensor, groups: number, options: NormOptions = {}): Tensor {
  const op = 'groupNorm';
  const norm = readOptions(op, options, normDefaults);
  const [n = 0, channels = 0, ...pixels] = requireChannels(op, x, norm);
  requireWhole(op, 'groups', groups, 1);
  if (channels % groups !== 0)
    throw new ArgumentError(`${op}: ${groups} groups don't divide the ${channels} channels`);
  return scope(() => {
    const apart = reshape(x, [n, groups, channels / groups, ...pixels]);
    const axes = [...apart.shape.keys()].slice(2);
    const own = [groups, channels / groups, ...pixels.map(() => 1)];
    return reshape(standardize(op, apart, axes, norm, own).out, x.shape);
  });
}

/**
 * Normalizes each channel over all examples and pixels: by the batch's own mean and variance in training, by those
 * given otherwise. x `[N, C, ...]`, `weight` and `bias` `[C]`.
 * @returns the mean and variance too, so that a module can keep running ones
 * @throws {ArgumentError} in training of a single element a channel, which says nothing of its variance
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): BatchNormResult {
  const op = 'batchNorm';
  const norm = readOptions(op, options, { ...normDefaults, training: true, mean: null, variance: null });
  const [, channels = 0, ...pixels] = requireChannels(op, x, norm);
  requireBoolean(op, 'training', norm.training);
  const own = [channels, ...pixels.map(() => 1)];
  const axes = [...x.shape.keys()].filter((axis) => axis !== 1);
  if (norm.training) {
    if (x.size <= channels)
      throw new ArgumentError(
        `${op}: x is ${formatShape(x.shape)}, expected more than one element a channel`,
      );
    return standardize(op, x, axes, norm, own);
  }
  const { mean, variance } = norm;
  if (!mean || !variance)
    throw new ArgumentError(`${op}: mean and variance must be given where training is false`);
  requireParts(op, x, { mean, variance }, [channels]);
  return standardize(op, x, axes, norm, own, { mean, variance });
}

/** Weight, bias and eps, spelled out. */
interface Norm {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly eps: number;
}

type Parts = Readonly<Record<string, Tensor | null>>;

/** @throws {ArgumentError} unless the tensors among the options are of x's dtype and device, and of the shape */
function requireParts(op: string, x: Tensor, parts: Parts, shape: Shape): void {
  for (const [name, part] of Object.entries(parts)) {
    if (!part) continue;
    requireTensor(op, name, part);
    commonDevice(op, [x, part]);
    requireDType(op, name, part, x.dtype);
    if (sameShape(part.shape, shape)) continue;
    const expected = `[${shape.join(', ')}], one for each that x has`;
    throw new ArgumentError(`${op}: ${name} is ${formatShape(part.shape)}, expected ${expected}`);
  }
}

/** @throws {ArgumentError} unless x has channels, and weight and bias one number for each */
function requireChannels(op: string, x: Tensor, { weight, bias, eps }: Norm): Shape {
  requireNumber(op, 'eps', eps);
  requireFloats(op, 'x', x);
  if (x.shape.length < 2)
    throw new ArgumentError(`${op}: x is ${formatShape(x.shape)}, expected [N, C, ...]`);
  requireParts(op, x, { weight, bias }, x.shape.slice(1, 2));
  return x.shape;
}

/** Which of the optional inputs there are, and where the statistics come from. */
interface Form {
  readonly weight: boolean;
  readonly bias: boolean;
  /** Mean and variance are inputs, and constants to the gradient. */
  readonly given: boolean;
  /** Mean and variance were worked out before, and what the mean has lost. */
  readonly known: boolean;
  /** Weight and bias are numbers of a row: the statistics are those of a channel. */
  readonly ofRow: boolean;
}

const programs = new Map<string, RowProgram>();

/** The program of a form, written once. */
function programOf(kind: string, form: Form, write: () => RowProgram): RowProgram {
  const key = kind + JSON.stringify(form);
  const program = programs.get(key) ?? write();
  programs.set(key, program);
  return program;
}

/** Inputs in a row, of which some may be left out: their expressions, by name. */
function inputsOf<N extends string>(names: readonly (N | false)[]): { count: number; of: (name: N) => Expr } {
  const present = names.filter((name) => name !== false);
  return { count: present.length, of: (name) => e.input(present.indexOf(name)) };
}

/**
 * Inputs x, mean and variance where they are given or known, what the mean has lost where known, weight, bias. Params:
 * elements of a row, eps. Number 0 is `1 / sqrt(variance + eps)`; of statistics that are neither given nor known it is
 * number 7, and numbers 5 and 6 are the mean and the variance. What a row has in common becomes one factor and one offset:
 * across the memory each of these is read again for every element.
 */
function forward({ given, known, weight, bias, ofRow }: Form): RowProgram {
  const statistics = given || known;
  const own = [weight && 'weight', bias && 'bias'] as const;
  const { count, of } = inputsOf([
    'x',
    statistics && 'mean',
    statistics && 'variance',
    known && 'rest',
    ...own,
  ]);
  return rowProgram(count, (writer) => {
    const { center, rest, variance } = statistics
      ? { center: of('mean'), rest: known ? of('rest') : e.constant(0), variance: of('variance') }
      : writeMoments(writer, e.param(0), e.param(0));
    const root = writer.number(e.div(1, e.sqrt(e.add(variance, e.param(1)))));
    const centered = e.sub(of('x'), center);
    if (ofRow) {
      const factor = writer.number(weight ? e.mul(root, of('weight')) : root);
      const shift = e.mul(rest, factor);
      const offset = writer.number(bias ? e.sub(of('bias'), shift) : e.neg(shift));
      return [e.add(e.mul(centered, factor), offset)];
    }
    const standard = e.mul(e.sub(centered, rest), root);
    const weighted = weight ? e.mul(standard, of('weight')) : standard;
    return [bias ? e.add(weighted, of('bias')) : weighted];
  });
}

/**
 * Inputs g, x, mean, root, weight. With `h = g * weight` and `z = (x - mean) * root`, over a row of n elements,
 * `dx = root * (h - sum(h) / n - z * sum(h * z) / n)`; of given statistics `root * h`. Where the weight is a number of
 * the row, numbers 0 and 1 are the sums of g and `g * z`: the gradients of bias and weight.
 */
function backward(form: Form): RowProgram {
  const { weight, given, ofRow } = form;
  const { count, of } = inputsOf(['g', 'x', 'mean', 'root', weight && 'weight']);
  return rowProgram(count, ({ sum, number }) => {
    const standard = e.mul(e.sub(of('x'), of('mean')), of('root'));
    const h = weight && !ofRow ? e.mul(of('g'), of('weight')) : of('g');
    const [plain, standardized] = [sum(h), sum(e.mul(h, standard))];
    const scale = number(weight && ofRow ? e.mul(of('root'), of('weight')) : of('root'));
    if (given) return [e.mul(scale, h)];
    const [shift, slope] = [plain, standardized].map((total) => e.div(total, e.param(0)));
    const [less, factor] = [number(shift!), number(e.mul(of('root'), slope!))];
    return [e.mul(scale, e.sub(e.sub(h, less), e.mul(e.sub(of('x'), of('mean')), factor)))];
  });
}

/** Of g, x, mean and root: the gradients of bias and weight, summed over all that share them. */
const parameterGradients = rowProgram(4, ({ sum }, input) => {
  sum(input(0));
  sum(e.mul(input(0), e.mul(e.sub(input(1), input(2)), input(3))));
  return [];
});

/**
 * Normalizes over axes.
 * @param own shape of weight and bias, so that they broadcast to x
 * @param given mean and variance, where they aren't those of the rows
 */
function standardize(
  op: string,
  x: Tensor,
  axes: readonly number[],
  { weight, bias, eps }: Norm,
  own: Shape,
  given: Omit<BatchNormResult, 'out'> | null = null,
): BatchNormResult {
  return scope(() => {
    const { device, dtype } = x;
    const rows = x.shape.filter((_, axis) => !axes.includes(axis));
    const kept = x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
    const constant = own.every((n, i) => n === 1 || !axes.includes(i + x.shape.length - own.length));
    const ofRow = constant && sizeOf(own) === sizeOf(rows);
    const size = x.size / Math.max(1, sizeOf(rows));
    const empty = (shape: Shape): Tensor => Tensor.empty(op, device, shape, dtype);
    const [mean, spread] = [given?.mean ?? empty(rows), given?.variance ?? empty(rows)];
    const [out, rest, root] = [empty(x.shape), empty(rows), empty(rows)];
    const known = !given && momentsInParts(op, x, axes, size, [mean, rest, spread]);
    const form = { weight: weight !== null, bias: bias !== null, given: given !== null, known, ofRow };
    const params = [size, eps];
    const program = programOf('forward', form, () => forward(form));
    const keeps = given || known ? [root] : [null, null, null, null, null, mean, spread, root];
    const found = given || known ? [mean, spread, ...(known ? [rest] : [])] : [];
    const statistics = found.map((part) => reshape(part.detach(), kept));
    const parameters = [weight, bias].flatMap((part) => (part ? [reshape(part, own)] : []));
    runRows(op, program, { axes, inputs: [x, ...statistics, ...parameters], outputs: [out], keeps, params });
    const differentiable = [x, ...parameters];
    record({
      op,
      inputs: differentiable,
      outputs: [out],
      saved: [x, mean, root, weight],
      gradient: ({ grads: [grad], saved: [input, center, factor, scale], needs }) => {
        if (!grad || !input || !center || !factor) return [];
        const operands = [grad, input, reshape(center, kept), reshape(factor, kept)];
        const wanted = needs.slice(1).some((needed) => needed);
        const [byBias, byWeight] = wanted ? [empty(own), empty(own)] : [null, null];
        const dx = needs[0] || (ofRow && wanted) ? empty(input.shape) : null;
        if (dx) {
          const inputs = scale ? [...operands, reshape(scale, own)] : operands;
          const sums = ofRow ? [byBias, byWeight] : [];
          runRows(
            op,
            programOf('backward', form, () => backward(form)),
            { axes, inputs, outputs: [dx], keeps: sums, params },
          );
        }
        if (wanted && !ofRow) {
          const lead = x.shape.length - own.length;
          const others = [...input.shape.keys()].filter((axis) => axis < lead || own[axis - lead] === 1);
          runRows(op, parameterGradients, { axes: others, inputs: operands, keeps: [byBias, byWeight] });
        }
        return [dx, ...(weight ? [byWeight] : []), ...(bias ? [byBias] : [])];
      },
    });
    return { out, mean, variance: spread };
  });
}
