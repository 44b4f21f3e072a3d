/** A transformer that learns to write like a text, letter by letter: `node dist/examples/charTransformer.js [FILE] [STEPS]
 * [DEVICE]`, the README by default. Two blocks of causal attention, pre-normalized (Vaswani 2017, Xiong 2020). */
import { readFile } from 'node:fs/promises';
import {
  add,
  argmax,
  crossEntropy,
  full,
  isDeviceName,
  log,
  manualSeed,
  matmul,
  mul,
  neg,
  noGrad,
  openDevice,
  rand,
  reshape,
  scope,
  slice,
  softmax,
  split,
  sub,
  type Tensor,
  tensor,
  transpose,
  triu,
} from 'tandem-ts';
import { AdamW, clipGradNorm, Embedding, GELU, LayerNorm, Linear, Module, Sequential } from 'tandem-ts/nn';

const [file = new URL('../../README.md', import.meta.url), steps = '400', name = 'cpu:0'] =
  process.argv.slice(2);
const [context, width, heads, batch] = [64, 96, 4, 16];
manualSeed(1);
if (!isDeviceName(name)) throw new Error(`${name} is no device`);
const device = await openDevice(name);

const text = await readFile(file, 'utf8');
const letters = [...new Set(text)].sort();
const codes = Int32Array.from(text, (letter) => letters.indexOf(letter));

class Block extends Module {
  readonly before = new LayerNorm(width, { device });
  readonly queriesKeysValues = new Linear(width, 3 * width, { device });
  readonly out = new Linear(width, width, { device });
  readonly feedForward = new Sequential(
    new LayerNorm(width, { device }),
    new Linear(width, 4 * width, { device }),
    new GELU(),
    new Linear(4 * width, width, { device }),
  );

  /** `[N, T, width]`; `mask` `[T, T]` is minus infinity where a letter would see a later one. */
  forward(x: Tensor, mask: Tensor): Tensor {
    const [n = 0, t = 0] = x.shape;
    const ofHeads = (y: Tensor): Tensor => {
      const apart = transpose(reshape(y, [n, t, heads, width / heads]), 1, 2);
      return reshape(apart, [n * heads, t, width / heads]);
    };
    const [q, k, v] = split(this.queriesKeysValues.forward(this.before.forward(x)), width, -1).map(ofHeads);
    const scores = mul(matmul(q!, transpose(k!, 1, 2)), 1 / Math.sqrt(width / heads));
    const seen = reshape(matmul(softmax(add(scores, mask)), v!), [n, heads, t, width / heads]);
    const joined = reshape(transpose(seen, 1, 2), [n, t, width]);
    const attended = add(x, this.out.forward(joined));
    return add(attended, this.feedForward.forward(attended));
  }
}

class Writer extends Module {
  readonly letter = new Embedding(letters.length, width, { device });
  readonly place = new Embedding(context, width, { device });
  readonly blocks = [new Block(), new Block()];
  readonly last = new Sequential(
    new LayerNorm(width, { device }),
    new Linear(width, letters.length, { device }),
  );

  /** Letters `[N, T]` to the scores of each one's next, `[N, T, letters]`. */
  forward(x: Tensor): Tensor {
    const t = x.shape[1]!;
    const mask = triu(full([t, t], Number.NEGATIVE_INFINITY, { device }), 1);
    const places = tensor(
      Int32Array.from({ length: t }, (_, i) => i),
      { device },
    );
    let h = add(this.letter.forward(x), this.place.forward(places));
    for (const block of this.blocks) h = block.forward(h, mask);
    return this.last.forward(h);
  }
}

const model = new Writer();
const optimizer = new AdamW(model.parameters(), { learningRate: 2e-3, weightDecay: 0.01 });

/** Windows of the text, spread over it, and what comes after each of their letters. */
function drawWindows(step: number): { x: Tensor; y: Tensor } {
  const starts = Array.from(
    { length: batch },
    (_, i) => ((step * batch + i) * 7919) % (codes.length - context - 1),
  );
  const windows = (shift: number): Tensor =>
    tensor(
      Int32Array.from(starts.flatMap((start) => [...codes.subarray(start + shift, start + shift + context)])),
      {
        shape: [batch, context],
        device,
      },
    );
  return { x: windows(0), y: windows(1) };
}

for (let step = 1; step <= Number(steps); step++) {
  const loss = scope(() => {
    const { x, y } = drawWindows(step);
    const scores = model.forward(x);
    const loss = crossEntropy(
      reshape(scores, [batch * context, letters.length]),
      reshape(y, [batch * context]),
    );
    optimizer.zeroGrad();
    loss.backward();
    clipGradNorm(model.parameters(), 1);
    optimizer.step();
    return loss;
  });
  if (step % Math.ceil(Number(steps) / 8) === 0)
    console.log(`step ${step}  loss ${(await loss.item()).toFixed(4)}`);
  loss.dispose();
}

// A letter is drawn as the model's probabilities say: by the largest of scores to which Gumbel's noise is added.
const written = [...codes.subarray(0, 16)];
for (let i = 0; i < Math.min(400, Number(steps)); i++) {
  const seen = written.slice(-context);
  const next = scope(() =>
    noGrad(() => {
      const scores = model.forward(tensor(Int32Array.from(seen), { shape: [1, seen.length], device }));
      const last = reshape(slice(scores, 1, seen.length - 1), [letters.length]);
      return argmax(sub(mul(last, 1.25), log(neg(log(rand([letters.length], { device }))))));
    }),
  );
  written.push(await next.item());
  next.dispose();
}
console.log(written.map((code) => letters[code]).join(''));
await device.close();
