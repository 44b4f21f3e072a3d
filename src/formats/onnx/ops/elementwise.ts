/**
 * ONNX's element-wise operators: ops of `core` where it has them, else functions of formulas.ts.
 */
import { e } from '../../../core/expr.js';
import {
  abs,
  add,
  cast,
  clamp,
  cos,
  div,
  elu,
  eq,
  erf,
  exp,
  floor,
  ge,
  gelu,
  gt,
  isnan,
  le,
  leakyRelu,
  log,
  lt,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  sigmoid,
  sin,
  softplus,
  sqrt,
  sub,
  tanh,
  where,
} from '../../../core/ops/elementwise.js';
import { type Unary, unary } from '../../../core/ops/expressionOps.js';
import { reshape } from '../../../core/ops/views.js';
import { isIntegerType } from '../../../core/shape.js';
import type { Tensor } from '../../../core/tensor.js';
import { dtypeOfType, type OnnxCall, type Operator } from '../call.js';
import { typeOfNumber } from '../tensors.js';
import {
  acosh,
  and,
  asinh,
  atanh,
  cosh,
  curve,
  line,
  not,
  or,
  pieces,
  prelu,
  reciprocal,
  roundHalfEven,
  sign,
  sinh,
  softsign,
  tan,
  xor,
} from './formulas.js';

const one =
  (op: Unary): Operator =>
  (call) =>
    op(call.tensor());

/** Two operands that broadcast; before version 7 the second one from an axis on, if the node says so. */
const two =
  (op: (a: Tensor, b: Tensor) => Tensor): Operator =>
  (call) => {
    const [a, b] = [call.tensor(0), call.tensor(1)];
    const axis = call.int('axis', -1);
    if (call.opset >= 7 || axis < 0) return op(a, b);
    const after = a.shape.length - axis - b.shape.length;
    if (after < 0) call.fail(`axis ${axis} leaves no room for the second input's ${b.shape.length} axes`);
    return op(a, reshape(b, [...b.shape, ...new Array<number>(after).fill(1)]));
  };

/** Any number of operands. */
const many =
  (op: (a: Tensor, b: Tensor) => Tensor): Operator =>
  (call) => {
    const [first, ...others] = call.tensors();
    if (!first) return call.fail('has no inputs');
    return others.length === 0 ? reshape(first, first.shape) : others.reduce(op, first);
  };

/** An op that depends on attributes. */
const given =
  (make: (call: OnnxCall) => Unary): Operator =>
  (call) =>
    make(call)(call.tensor());

/** The quotient; of integers toward zero. */
function quotient(a: Tensor, b: Tensor): Tensor {
  const result = div(a, b);
  return isIntegerType(a.dtype) && isIntegerType(b.dtype) ? cast(result, 'int32') : result;
}

/** The remainder with the sign of b, or with that of a as C's fmod. */
function remainder(call: OnnxCall): Tensor {
  const [a, b] = [call.tensor(0), call.tensor(1)];
  const ratio = div(a, b);
  const whole = call.int('fmod', 0) === 1 ? cast(cast(ratio, 'int32'), 'float32') : floor(ratio);
  return isIntegerType(a.dtype) ? sub(a, mul(b, cast(whole, 'int32'))) : sub(a, mul(b, whole));
}

function clip(call: OnnxCall): Tensor {
  const bound = (name: string, i: number, none: number): number =>
    call.attribute(name)?.float ?? (call.has(i) ? call.scalar(i) : none);
  const [low, high] = [bound('min', 1, Number.NEGATIVE_INFINITY), bound('max', 2, Number.POSITIVE_INFINITY)];
  return clamp(call.tensor(), low, high);
}

/** The mean of all inputs. */
const mean: Operator = (call) => {
  const all = call.tensors();
  const [first] = all;
  return first ? div(all.reduce(add), all.length) : call.fail('has no inputs');
};

/** The operators of this file by name. */
export const elementwise: Readonly<Record<string, Operator>> = {
  Abs: one(abs),
  Acosh: one(acosh),
  Add: two(add),
  And: two(and),
  Asinh: one(asinh),
  Atanh: one(atanh),
  Cast: (call) => {
    const type = typeOfNumber(call.int('to', 0));
    if (type === undefined) return call.fail(`casts to type ${call.int('to', 0)}, which tensors don't have`);
    const x = call.tensor();
    return type === 'bool' ? cast(not(not(x)), 'uint8') : cast(x, dtypeOfType(type));
  },
  CastLike: (call) => {
    const like = call.value(1);
    return cast(call.tensor(), 'type' in like ? dtypeOfType(like.type) : like.dtype);
  },
  Ceil: one((x) => neg(floor(neg(x)))),
  Celu: given((call) => {
    const alpha = call.float('alpha', 1);
    return pieces('celu', 0, line(1), curve(alpha, alpha));
  }),
  Clip: clip,
  Cos: one(cos),
  Cosh: one(cosh),
  Div: two(quotient),
  Elu: (call) => elu(call.tensor(), call.float('alpha', 1)),
  Equal: two(eq),
  Erf: one(erf),
  Exp: one(exp),
  Floor: one(floor),
  Gelu: (call) => gelu(call.tensor(), call.text('approximate', 'none') === 'tanh' ? 'tanh' : 'none'),
  Greater: two(gt),
  GreaterOrEqual: two(ge),
  HardSigmoid: given((call) => {
    const [alpha, beta] = [call.float('alpha', 0.2), call.float('beta', 0.5)];
    return (x) => clamp(add(mul(x, alpha), beta), 0, 1);
  }),
  HardSwish: one((x) => mul(x, clamp(add(mul(x, 1 / 6), 0.5), 0, 1))),
  IsInf: given((call) => {
    const [high, low] = [call.int('detect_positive', 1) === 1, call.int('detect_negative', 1) === 1];
    const [most, least] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    return unary('isInf', (x) => e.max(high ? e.eq(x, most) : 0, low ? e.eq(x, least) : 0));
  }),
  IsNaN: one(isnan),
  LeakyRelu: (call) => leakyRelu(call.tensor(), call.float('alpha', 0.01)),
  Less: two(lt),
  LessOrEqual: two(le),
  Log: one(log),
  Max: many(maximum),
  Mean: mean,
  Min: many(minimum),
  Mish: one((x) => mul(x, tanh(softplus(x)))),
  Mod: remainder,
  Mul: two(mul),
  Neg: one(neg),
  Not: one(not),
  Or: two(or),
  Pow: two(pow),
  PRelu: (call) => {
    const [x, slope] = [call.tensor(0), call.tensor(1)];
    // One slope a channel comes without the axes of the map.
    const perChannel = slope.shape.length === 1 && x.shape.length > 2 && slope.size === x.shape[1];
    const fitting = perChannel ? reshape(slope, [slope.size, ...x.shape.slice(2).map(() => 1)]) : slope;
    return prelu(x, fitting);
  },
  Reciprocal: one(reciprocal),
  Relu: one(relu),
  Round: one(roundHalfEven),
  Selu: given((call) => {
    const [alpha, gamma] = [call.float('alpha', 1.6732631921768188), call.float('gamma', 1.0507010221481323)];
    return pieces('selu', 0, line(gamma), curve(alpha * gamma, 1));
  }),
  Shrink: given((call) => {
    const [bias, lambd] = [call.float('bias', 0), call.float('lambd', 0.5)];
    return unary(
      'shrink',
      (x) => e.where(e.lt(x, -lambd), e.add(x, bias), e.where(e.gt(x, lambd), e.sub(x, bias), 0)),
      (g, _y, x) => e.where(e.gt(e.abs(x), lambd), g, 0),
    );
  }),
  Sigmoid: one(sigmoid),
  Sign: one(sign),
  Sin: one(sin),
  Sinh: one(sinh),
  Softplus: one((x) => softplus(x)),
  Softsign: one(softsign),
  Sqrt: one(sqrt),
  Sub: two(sub),
  Sum: many(add),
  Tan: one(tan),
  Tanh: one(tanh),
  ThresholdedRelu: given((call) => {
    const alpha = call.float('alpha', 1);
    return unary(
      'thresholdedRelu',
      (x) => e.where(e.gt(x, alpha), x, 0),
      (g, _y, x) => e.where(e.gt(x, alpha), g, 0),
    );
  }),
  Where: (call) => where(call.tensor(0), call.tensor(1), call.tensor(2)),
  Xor: two(xor),
};
