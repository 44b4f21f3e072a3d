/**
 * All words of the page in English. `{n}` is filled in; a little markup is allowed.
 */

/** The page's texts by name. */
export type Texts = Readonly<Record<keyof typeof english, string>>;

const english = {
  title: 'Two towers: AlexNet training in your browser',
  headline: 'Two towers, training here',
  lead: 'In 2012 a network of eight layers learned to tell a thousand kinds of things apart, and computers began to see. It was too large for one graphics card, so it was cut into two towers, one on each card, which talk at only some layers. Here is a small one with the same two towers. Press <b>Train</b> and watch it learn, in this tab alone: nothing leaves your computer.',
  skip: 'Skip to the training',
  theme: 'Light or dark',
  navLabel: 'Sections',
  navTrain: 'Train',
  navSwitches: 'Switches',
  navExplain: 'How it works',
  navPhoto: 'Your photo',
  navMachine: 'This machine',

  trainTitle: 'Train the two towers',
  train: 'Train',
  pause: 'Pause',
  goOn: 'Go on',
  wait: 'One moment',
  trainAgain: 'Train again',
  startAnew: 'Start anew',
  seed: 'Seed',
  rate: 'Learning rate',
  deviceLabel: 'Runs on',
  deviceCpu: 'processor: a thread for each tower',
  deviceOne: 'processor: one thread',
  deviceGpu: 'graphics card (WebGPU)',
  imagesLabel: 'Images',
  imagesDrawn: 'drawn figures, ten kinds',
  ready: 'Ready.',
  preparing: 'Drawing the images: {share}',
  runsOn: 'Training on {devices}',
  pausedText: 'Paused. It stays in this browser: load the page again and it goes on from here. {devices}',
  doneText: 'Done. {devices}',
  failed: 'This did not work: {problem}',
  notIsolated:
    'This page could not be isolated from others, so it may not use a second thread: both towers share one.',
  statError: 'wrong on images it never saw',
  statSeen: 'images seen',
  statRate: 'images a second',
  statPeak: "of the machine's peak",
  statCrossed: 'crossed between towers',

  kernelsTitle: 'What the first layer looks for',
  kernelsText:
    'Each tile is a pattern that the first layer (conv1) searches the image for, seven pixels a side. They begin as noise. Within a minute some turn into edges and stripes, others into blotches of colour.',
  kernelsOne: 'Kernels of the first tower',
  kernelsTwo: 'Kernels of the second tower',
  towerOne: 'Tower 1',
  towerTwo: 'Tower 2',
  kernelColour: 'Tower {tower}: colour is {share} of a typical kernel (of noise: 67 %)',

  placementTitle: 'Two towers, and what crosses between them',
  placementText:
    'The image enters both towers. Each layer reads its own tower alone, but for three places where everything crosses: <b class="crossed">red</b>. That was the trick of 2012: most of the work needs no talk at all.',
  placementNote: 'Bytes so far, there for the forward pass and back for the gradients.',
  placementLabel: 'Eight layers on two towers, and the bytes that crossed between them at each',
  kernelsOfLayer: '{n} kernels',
  unitsOfLayer: '{n} units',

  errorTitle: 'Share of wrong answers',
  lossTitle: 'Loss',
  curveTraining: 'while training',
  curveValidation: 'on images never seen',
  imagesSeen: 'images seen',

  samplesTitle: 'Never seen in training',
  insteadOf: '{said}, not {is}',
  drawTitle: 'Draw one yourself',
  drawLabel: 'Your drawing, 32 by 32 pixels: draw with a finger or the mouse',
  drawHint: 'Draw a star, a ring, a cross, a triangle, a spiral … The towers answer while you draw.',
  drawClear: 'New sheet',
  drawExample: 'Take one of theirs',
  fingerprintHint: 'The same seed gives the same weights to the last bit, here and in Node.',
  fingerprint:
    'Fingerprint of all weights after epoch {epoch}: {print}. In Node on this machine: npm run site:same -- {seed} {epoch}',

  classDisc: 'disc',
  classRing: 'ring',
  classSquare: 'square',
  classTriangle: 'triangle',
  classStar: 'star',
  classCross: 'cross',
  classStripes: 'stripes',
  classChecks: 'checks',
  classDots: 'dots',
  classSpiral: 'spiral',

  switchesTitle: 'What each idea is worth',
  switchesText:
    'The paper names its ideas section by section. Take one away: a second run begins with the same seed, the same images and everything else alike, and its curve is drawn over the first. One run proves little; the paper trained for days on a million photographs, and this is a minute on small figures. Where they disagree, that is worth a thought, too.',
  beside: 'Both runs, wrong answers on images never seen',
  besideNone: 'Choose an idea below to run without it.',
  besideWaiting: '{title}: catching up. The first run waits, so that the second has the machine to itself.',
  besideRuns: '{title}: running beside the first.',
  asPublished: 'as in the paper',
  runBeside: 'Run beside',
  stopBeside: 'Stop',
  inPaper: 'The paper',
  inNotebook: 'The lab notebook of 2012: top-1 / top-5 errors',
  onThisPage: 'Here',
  notRun: 'not run yet',
  notNoted: 'not noted',
  nets: 'nets',
  resultText: '{kept} → {changed} wrong after {images} images',
  notebookSource:
    'The notebook is the figures that Alex Krizhevsky wrote at the ends of the layer files of the original code: Computer History Museum, “AlexNet source code”, layers/*.cfg, commit 2f8b81f. Errors with ten crops.',
  switchTanh: 'tanh instead of ReLU',
  switchTanhAbout:
    'Section 3.1. A unit that answers max(0, x) keeps its slope however strongly it is driven; tanh flattens out, and learning slows.',
  switchTanhPaper: 'ReLU reaches 25 % training error on CIFAR-10 six times sooner (Figure 1).',
  switchOne: 'One tower, half the kernels',
  switchOneAbout:
    'Section 3.2. All on one device: half the kernels in the convolutions, but the last; nothing crosses.',
  switchOnePaper: 'Two towers are better by 1.7 points (top-1) and 1.2 (top-5).',
  switchApart: 'Towers that never talk',
  switchApartAbout:
    'The same two towers, but each reads its own maps alone up to the last layer: what the talk is worth.',
  switchApartPaper: 'Not in the paper, but in the notebook.',
  switchLrn: 'Without response normalization',
  switchLrnAbout:
    "Section 3.3. A strong answer damps its neighbours' answers at the same place, as nerve cells do.",
  switchLrnPaper: 'It helps by 1.4 points (top-1) and 1.2 (top-5); on CIFAR-10 from 13 % to 11 %.',
  switchOverlap: "Pooling that doesn't overlap",
  switchOverlapAbout: 'Section 3.4. Windows of two pixels, two apart, instead of three pixels, two apart.',
  switchOverlapPaper: 'Overlapping helps by 0.4 points (top-1) and 0.3 (top-5).',
  switchDropout: 'Without dropout',
  switchDropoutAbout:
    'Section 4.2. While training, hidden units are switched off at random (here one in five), so that none can lean on certain others.',
  switchDropoutPaper:
    'Without it the network overfits substantially; with it, it takes about twice as long to converge.',

  foot: 'Tandem: a tensor engine in TypeScript, the same package that you import. The paper: Krizhevsky, Sutskever, Hinton, “ImageNet Classification with Deep Convolutional Neural Networks”, 2012.',
} as const;

/** The texts. */
export const en: Texts = english;
