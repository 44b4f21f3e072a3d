/**
 * ONNX's matrix products, normalizations and losses.
 *
 *     Gemm                   alpha A B + beta C, A and B perhaps transposed
 *     LRN                    x / (bias + alpha / size * sum of squares of size adjacent maps) ^ beta
 *     BatchNormalization     (x - mean) / sqrt(variance + epsilon) * scale + bias, by channel
 */
import { e } from '../../../core/expr.js';
import { einsum } from '../../../core/ops/einsum.js';
import { add, cast, div, mul, pow, sub } from '../../../core/ops/elementwise.js';
import { crossEntropy, type NllLossOptions, nllLoss } from '../../../core/ops/loss.js';
import { linear, matmul } from '../../../core/ops/matmul.js';
import { localResponseNorm } from '../../../core/ops/normalize.js';
import { mean } from '../../../core/ops/reduce.js';
import { logSoftmax } from '../../../core/ops/softmax.js';
import { batchNorm, groupNorm, layerNorm } from '../../../core/ops/standardize.js';
import { update } from '../../../core/ops/update.js';
import { std, variance } from '../../../core/ops/variance.js';
import { reshape, transpose, unsqueeze } from '../../../core/ops/views.js';
import { formatShape, normalizeAxis } from '../../../core/shape.js';
import type { Tensor } from '../../../core/tensor.js';
import type { OnnxCall, Operator } from '../call.js';

function gemm(call: OnnxCall): Tensor {
  const [a, b, c] = [call.tensor(0), call.tensor(1), call.optional(2)];
  const [alpha, beta] = [call.float('alpha', 1), call.float('beta', 1)];
  const [turnA, turnB] = [call.int('transA', 0) !== 0, call.int('transB', 0) !== 0];
  if (a.shape.length !== 2 || b.shape.length !== 2)
    call.fail(`reads ${formatShape(a.shape)} and ${formatShape(b.shape)}, expected matrices`);
  const left = turnA ? transpose(a, 0, 1) : a;
  const right = turnB ? b : transpose(b, 0, 1);
  const units = right.shape[0] ?? 0;
  const isBias = c === null || (c.shape.length === 1 && c.size === units);
  if (alpha === 1 && beta === 1 && isBias) return linear(left, right, { bias: c });
  const product = linear(left, right);
  const scaled = alpha === 1 ? product : mul(product, alpha);
  if (c === null) return scaled;
  return add(scaled, beta === 1 ? c : mul(c, beta));
}

/** As NumPy's: a vector is a row on the left and a column on the right, and its axis goes again. */
function product(call: OnnxCall): Tensor {
  const [a, b] = [call.tensor(0), call.tensor(1)];
  const [row, column] = [a.shape.length === 1, b.shape.length === 1];
  const out = matmul(row ? unsqueeze(a, 0) : a, column ? unsqueeze(b, 1) : b);
  if (!row && !column) return out;
  const rank = out.shape.length;
  return reshape(
    out,
    out.shape.filter((_, axis) => !(row && axis === rank - 2) && !(column && axis === rank - 1)),
  );
}

function responseNorm(call: OnnxCall): Tensor {
  const size = call.int('size', 1);
  if (size % 2 === 0) call.fail(`its size is ${size}, expected an odd number`);
  const [alpha, beta, k] = [call.float('alpha', 1e-4), call.float('beta', 0.75), call.float('bias', 1)];
  return localResponseNorm(call.tensor(), { size, alpha, beta, k, scaling: 'mean' });
}

/**
 * In training by the batch's own statistics, which the module's running ones then follow; a node of training mode gives
 * them as outputs.
 */
function batchNormalization(call: OnnxCall): readonly Tensor[] {
  const asked = call.int('training_mode', 0) === 1;
  if (!asked && call.outputs > 1) call.fail('gives mean and variance as well: export it for evaluation');
  const [runningMean, runningVariance] = [call.tensor(3), call.tensor(4)];
  const follows = call.training && call.moving.has(runningMean) && call.moving.has(runningVariance);
  const training = asked || follows;
  const affine = { weight: call.tensor(1), bias: call.tensor(2), eps: call.float('epsilon', 1e-5) };
  const held = training ? {} : { mean: runningMean, variance: runningVariance };
  const { out, mean, variance } = batchNorm(call.tensor(0), { ...affine, training, ...held });
  const kept = call.float('momentum', 0.9);
  const moved = e.add(e.mul(e.param(0), e.input(0)), e.mul(e.sub(1, e.param(0)), e.input(1)));
  if (follows) {
    update(runningMean, moved, [runningMean, mean], { params: [kept], op: 'BatchNormalization' });
    update(runningVariance, moved, [runningVariance, variance], { params: [kept], op: 'BatchNormalization' });
  }
  if (!asked) return [out];
  const next = (before: Tensor, now: Tensor): Tensor => add(mul(before, kept), mul(now, 1 - kept));
  return [out, next(runningMean, mean), next(runningVariance, variance)];
}

/** The normalized tensor, and where they are asked for the mean and 1 / sqrt(variance + epsilon) of each row. */
function layerNormalization(call: OnnxCall): readonly Tensor[] {
  const x = call.tensor();
  const axis = normalizeAxis('axis', call.int('axis', -1), x.shape.length);
  const own = x.shape.slice(axis);
  const eps = call.float('epsilon', 1e-5);
  const fitting = (y: Tensor | null): Tensor | null => y && reshape(y, own);
  const [weight, bias] = [fitting(call.tensor(1)), fitting(call.optional(2))];
  const out = layerNorm(x, own, { weight, bias, eps });
  if (call.outputs < 2) return [out];
  const axes = [...x.shape.keys()].slice(axis);
  const spread = variance(x, { axes, keepDim: true, correction: 0 });
  return [out, mean(x, { axes, keepDim: true }), pow(add(spread, eps), -0.5)];
}

/** A loss and, where it is asked for, the log-probabilities it was taken from. */
function crossEntropyLoss(call: OnnxCall): readonly Tensor[] {
  const [logits, labels] = [call.tensor(0), cast(call.tensor(1), 'int32')];
  const loss = crossEntropy(logits, labels, { ...lossOptions(call), weight: call.optional(2) });
  return call.outputs < 2 ? [loss] : [loss, logSoftmax(logits, 1)];
}

function lossOptions(call: OnnxCall): Pick<NllLossOptions, 'reduction' | 'ignoreIndex'> {
  const reduction = call.text('reduction', 'mean');
  if (reduction !== 'mean' && reduction !== 'sum' && reduction !== 'none')
    return call.fail(`its reduction is ${reduction}`);
  return { reduction, ignoreIndex: call.attribute('ignore_index')?.int };
}

/** Over the axes named, by default all but the channels'. */
function meanVariance(call: OnnxCall): Tensor {
  const x = call.tensor();
  const axes = call.list('axes') ?? [0, 2, 3];
  const centred = sub(x, mean(x, { axes, keepDim: true }));
  const spread = std(x, { axes, keepDim: true, correction: 0 });
  return div(centred, add(spread, 1e-9));
}

/** The operators of this file by name. */
export const products: Readonly<Record<string, Operator>> = {
  BatchNormalization: batchNormalization,
  Einsum: (call) => einsum(call.text('equation', ''), ...call.tensors()),
  Gemm: gemm,
  InstanceNormalization: (call) => {
    const x = call.tensor();
    const eps = call.float('epsilon', 1e-5);
    return groupNorm(x, x.shape[1] ?? 1, { weight: call.tensor(1), bias: call.tensor(2), eps });
  },
  LayerNormalization: layerNormalization,
  LRN: responseNorm,
  MatMul: product,
  MeanVarianceNormalization: meanVariance,
  NegativeLogLikelihoodLoss: (call) =>
    nllLoss(call.tensor(0), cast(call.tensor(1), 'int32'), {
      ...lossOptions(call),
      weight: call.optional(2),
    }),
  SoftmaxCrossEntropyLoss: crossEntropyLoss,
};
