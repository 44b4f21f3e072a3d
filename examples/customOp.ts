/** Two ops with gradients of their own, and what they are good for: `node dist/examples/customOp.js STEPS` finds weights of
 * -1 and 1 by gradient descent, though their sign has no gradient. */
import {
  abs,
  customOp,
  type Expr,
  e,
  gradcheck,
  gt,
  le,
  matmul,
  mseLoss,
  openDevice,
  rand,
  randn,
  scope,
  sub,
  sum,
  type Tensor,
  tensor,
  where,
} from 'tandem-ts';
import { parameter, SGD } from 'tandem-ts/nn';

const [steps = '50'] = process.argv.slice(2);
const device = await openDevice('cpu:0');

// Element by element, the value and its gradient are expressions: one kernel on every backend.
const softsign = customOp({
  op: 'softsign',
  value: (x: Expr) => e.div(x, e.add(1, e.abs(x))),
  gradients: [(g, _y, x) => e.div(g, e.pow(e.add(1, e.abs(x)), 2))],
});

// Of tensors, they are written with other ops. This gradient is none of the sign's: it goes straight through near 0.
const binarize = customOp({
  op: 'binarize',
  forward: (x: Tensor) => ({ result: where(gt(x, 0), 1, -1), saved: { x } }),
  gradient: (g, { x }) => [where(le(abs(x), 1), g, 0)],
});

await gradcheck(softsign, [tensor([-2, 0.5, 3], { device, dtype: 'float64' })]);
console.log('softsign: its gradient agrees with finite differences');

const hidden = scope(() => binarize(sub(rand([16, 1], { device }), 0.5)));
const weights = parameter(randn([16, 1], { device, std: 0.1 }));
const optimizer = new SGD([weights], { learningRate: 0.0005, weightDecay: 0 });
for (let step = 1; step <= Number(steps); step++) {
  const loss = scope(() => {
    const x = randn([64, 16], { device });
    const loss = mseLoss(matmul(x, binarize(softsign(weights))), matmul(x, hidden));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss.item();
  });
  if (step % 10 === 0) console.log(`step ${step}: loss ${(await loss).toFixed(4)}`);
}
const wrong = scope(() => sum(abs(sub(binarize(weights), hidden))).item());
console.log(`${await wrong} of 16 weights are wrong`);
await device.close();
