/**
 * Functions that both fast backends compute as expressions of simpler ones, so that a function is written once:
 *
 *     erf x = x + x p(x^2) below `erfNear`, sign(x) (1 - e^q(|x|)) from there on, q(t) = log(1 - erf t)
 *
 * Where a GPU takes denormal numbers for 0, erf x of an x below 2^-122 may be as much as an eighth too small.
 *
 * The polynomials are minimax fits for float32, coefficients from the highest power down.
 */
import { type Expr, e, type UnaryOp } from '../core/expr.js';

const erfTail = [
  8.51310467e-5, -8.17563944e-4, 5.20385917e-3, -2.68605085e-2, 1.1283715e-1, -3.7612635e-1, 1.28379167e-1,
];
const erfNear = 0.9;
const logErfc = [
  -2.08285477e-5, 4.31392814e-4, -4.15625158e-3, 2.50806085e-2, -1.08220373e-1, -6.3340086e-1, -1.1294884,
  1.69204336e-4,
];
/** From here on erf is 1 in float32. */
const erfFar = 4;

function polynomial(x: Expr, [first = 0, ...rest]: readonly number[]): Expr {
  return rest.reduce<Expr>((sum, c) => e.add(e.mul(sum, x), c), e.constant(first));
}

/** Error at most 2 units of the last place. */
function erf(x: Expr): Expr {
  const size = e.abs(x);
  const near = e.add(e.mul(x, polynomial(e.mul(x, x), erfTail)), x);
  const far = e.sub(1, e.exp(polynomial(e.min(size, erfFar), logErfc)));
  return e.where(e.lt(size, erfNear), near, e.where(e.lt(x, 0), e.neg(far), far));
}

const forms = { erf } satisfies Partial<Record<UnaryOp, (x: Expr) => Expr>>;

/** The functions that have a form. */
export type FormedOp = keyof typeof forms;

/** Whether a function is computed by a form. */
export function isFormed(op: UnaryOp): op is FormedOp {
  return op in forms;
}

/** A formed function of x as an expression of functions that backends know. */
export function formOf(op: FormedOp, x: Expr): Expr {
  return forms[op](x);
}
