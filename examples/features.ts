/** AlexNet's last hidden layer as features of one's own photographs, a folder for each class, and a classifier of them
 * trained anew: `node dist/examples/features.js RUN IMAGES [STEPS]`, RUN a folder that `tandem train` wrote. The network
 * itself stays as it is (the paper's section 6 compares images by these features; Donahue 2014 classifies with them). */
import { argmax, crossEntropy, noGrad, openDevice, scope, tensor } from 'tandem-ts';
import { loadClassifier, netOf, openCheckpoint, vectorsOf } from 'tandem-ts/alexnet';
import { openData } from 'tandem-ts/data';
import { AdamW, Linear } from 'tandem-ts/nn';

const [run, images, steps = '200'] = process.argv.slice(2);
if (run === undefined) throw new Error("name a run's folder, then a folder of images");
const { checkpoint } = await openCheckpoint(run, 'best');
const { architecture, towers } = netOf(checkpoint.run);
const { imageSize, batchSize } = checkpoint.run.recipe;
const devices = await Promise.all(Array.from({ length: towers }, (_, i) => openDevice(`cpu:${i}`)));
const device = devices[0]!;
const data = await openData(images, { imageSize });

// The features of every image, once: the network isn't trained, so they never change.
const alexnet = loadClassifier(checkpoint, devices);
async function featuresOf(set: typeof data.train) {
  const { vectors, width, indices } = await vectorsOf(alexnet, set, { batchSize, crop: architecture.size });
  const labels = Int32Array.from(indices, (index) => set.labels[index]!);
  return {
    x: tensor(vectors, { shape: [indices.length, width], device }),
    y: tensor(labels, { device }),
    labels,
    width,
  };
}
const [training, validation] = [await featuresOf(data.train), await featuresOf(data.validation)];
alexnet.dispose();

const classifier = new Linear(training.width, data.classes.length, { device });
const optimizer = new AdamW(classifier.parameters(), { learningRate: 1e-3, weightDecay: 0.1 });
for (let step = 1; step <= Number(steps); step++) {
  const loss = scope(() => {
    const loss = crossEntropy(classifier.forward(training.x), training.y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  });
  if (step % Math.ceil(Number(steps) / 4) === 0)
    console.log(`step ${step}  loss ${(await loss.item()).toFixed(4)}`);
  loss.dispose();
}

const guesses = await scope(() => noGrad(() => argmax(classifier.forward(validation.x)))).data();
const right = guesses.filter((guess, i) => guess === validation.labels[i]).length;
console.log(`${right} of ${guesses.length} validation images are right, of ${data.classes.length} classes`);
await Promise.all([...devices.map((each) => each.close()), data.close()]);
