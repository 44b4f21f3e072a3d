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
  deviceAll: 'processor: all its threads',
  deviceOne: 'processor: one thread',
  deviceGpu: 'graphics card (WebGPU)',
  imagesOwn: 'Train on images of yours',
  imagesOwnText: 'Choose them here or drop them on this section. They stay in this browser.',
  imagesFolder: 'A folder with a folder of pictures for each class:',
  imagesCifar: "CIFAR-10's own file, cifar-10-binary.tar.gz:",
  imagesBack: 'Back to the drawn figures',
  ready: 'Ready.',
  preparing: 'Preparing the images: {share}',
  runsOn: 'Training on {devices}',
  pausedText: 'Paused. It stays in this browser: load the page again and it goes on from here. {devices}',
  doneText: 'Done. Draw something for it, or take one of the ideas away below. {devices}',
  failed: 'This did not work: {problem}',
  notIsolated:
    'This page could not be isolated from others, so it may not use a second thread: both towers share one.',
  noGpu: 'This browser offers no WebGPU, so the processor does all.',
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
    'A graphics card of 2012 had 3 GB of memory, too little for the whole network and its training. Two cards held twice as much, a tower each. Each layer reads its own tower alone, but for four places where one tower hears what the other has found: <b class="crossed">red</b>. So nearly all of the work needs no talk; and as they talk so little, the towers come to look for different things.',
  placementOne:
    'Both towers sit on one device here, so nothing has to cross. On two, {bytes} would cross for each image.',
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
  drawLabel:
    'Your drawing, 32 by 32 pixels: draw with a finger, the mouse, or the arrow keys; with Shift they move the pen alone',
  drawHint: 'Draw a star, a ring, a cross, a triangle, a spiral … The towers answer while you draw.',
  drawClear: 'New sheet',
  drawExample: 'Take one of theirs',
  fingerprintHint: 'The same seed gives the same weights to the last bit, here and in Node.',
  fingerprint: 'Fingerprint of all weights after epoch {epoch}: {print}.',
  fingerprintNode: 'In Node on this machine: npm run site:same -- {seed} {epoch} {rate}',

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

  explainTitle: 'How it works, by doing',
  explainText:
    "Each idea of the paper with something to move, its formula, and the lines of this package's source that compute it. What people ask when they read the paper is answered where it belongs.",
  ourSource: 'The lines that are it:',
  shapesTitle: 'ReLU, section 3.1',
  shapesText:
    'What a unit makes of its input. A gradient on its way back is multiplied by the slope: where that is near zero, nothing is learned.',
  shapesChart: 'Three curves over x: ReLU, tanh, and the absolute value of tanh',
  shapesResult: 'Slopes here: ReLU {relu}, tanh {tanh}, |tanh| {absTanh}.',
  askAbs: 'Why does the paper speak of |tanh|?',
  answerAbs:
    "Jarrett et al. had found in 2009 that |tanh(x)| followed by contrast normalization and average pooling works particularly well on Caltech-101, a small data set. There the worry was overfitting. The paper's point is another: ReLU <em>fits</em> faster, which decides with large networks and many images. Move x to 3: both tanh and |tanh| are flat there, so neither learns.",
  lrnTitle: 'Response normalization, section 3.3',
  lrnText:
    'Nine maps answer at the same place of an image. Each answer is divided by what its neighbours say, so that a strong one stands out and others next to it are damped.',
  lrnLegend:
    'Grey: answers of nine neighbouring maps. Blue: after normalization, the largest drawn as tall as before.',
  lrnChart: 'Answers of nine maps before and after normalization',
  lrnOthers: 'Other answers',
  lrnContrast: 'take the mean of the window off first',
  askBrightness: "Why “brightness” normalization, if the mean isn't subtracted?",
  answerBrightness:
    "Jarrett's normalization subtracts the mean of the neighbourhood and divides by the deviation: what is left is contrast. The paper's divides by the sum of squares itself, in which the mean is still contained. A neighbourhood that is evenly strong (bright) is damped as well, and no answer changes its sign. Tick the box to see the other kind: answers below their neighbours' mean turn negative.",
  dropoutTitle: 'Dropout, section 4.2',
  dropoutText:
    'Ten units together should answer 1. In each of 400 trials each unit is dropped with probability <i>p</i>; the bars show what comes out.',
  dropoutUneven: 'how much one unit does alone',
  dropoutChart: 'How often each answer comes out',
  dropoutResult: 'The answers scatter by {spread}.',
  askCoadaptation: 'What is co-adaptation?',
  answerCoadaptation:
    "Units that only make sense together: one that repairs another's mistakes is worth nothing without it. If any unit can be missing in the next step, such a bargain doesn't pay, and each must be useful with many random others. Move the upper slider to 0: shared evenly, the answer hardly scatters, and that is where dropout pushes.",
  momentumTitle: 'Momentum and decay, section 5',
  momentumText:
    'Sixty steps down a narrow valley. The velocity <i>v</i> remembers nine tenths of itself, so steps along the valley add up and steps across it cancel. Decay <i>λ</i> pulls the weights towards zero (+).',
  momentumMomentum: 'momentum <i>μ</i>',
  momentumRate: 'rate <i>ε</i>',
  momentumDecay: 'decay <i>λ</i>',
  momentumLegend: 'Blue with dots: with momentum. Grey: without. Ellipses: equal loss.',
  momentumChart: 'The way down the valley with momentum and without',
  momentumResult: 'After {steps} steps {away} from the lowest point.',
  lossExplained: 'The objective, section 3',
  lossText:
    'The last layer gives each class a score. Softmax makes probabilities of them. Say the image shows a star: the loss is small where its probability is near 1.',
  lossResult: 'Loss: −log p = {loss}',
  askObjective: 'What does “maximize the multinomial logistic regression objective” say?',
  answerObjective:
    "Of all training images take the probability that the net gives to the right class, take its logarithm, and average: that number shall become as large as possible. With a minus it is the loss that falls. It asks for more than being right: pull the star's score up after it has won, and the loss still falls.",
  meanTitle: 'The mean image, section 2',
  meanText: 'The only thing done to pixels beforehand: the mean over all training images is taken off.',
  meanImages: 'images',
  meanLabel: 'An image, the mean image, the image less the mean image, and the image less the mean colour',
  meanLegend:
    'From the left: an image; the mean image; the image less the mean image; the image less the mean colour alone.',
  meanResult: 'Mean colour: red {r}, green {g}, blue {b}.',
  askMean: 'Is the mean one number for each colour, or one for each position?',
  answerMean:
    'One for each position and colour: a whole image, 256 × 256 × 3 numbers in the paper. Move the slider: of one image the mean is the image itself, of 512 it is nearly an even grey, and then the two ways give nearly the same. The code that was run even took the middle of the mean image for every crop, wherever the crop was.',
  explainPhoto: 'A photo of yours for what follows (it stays here):',
  colourTitle: 'Colour noise, section 4.1',
  colourText:
    'Eight uses of a picture. Each time it is used, three random numbers shift its colours along the directions in which colours vary most, as another light would.',
  colourDeviation: 'deviation of <i>α</i>',
  colourLabel: 'The picture eight times, each with other colours',
  colourValues:
    "This picture's colours vary by {first}, {second} and {third} grey levels along the three directions.",
  colourAgain: 'Draw again',
  colourApart: 'a draw for each pixel',
  colourLiteral: 'λ instead of √λ, as printed',
  askColour: 'Is one draw shared by all pixels, and used once?',
  answerColour:
    'Yes: each of the three numbers is drawn once for all pixels of an image, and anew the next time the image is used. So objects keep their form while the light changes. Tick “a draw for each pixel”: that is only noise. And the eigenvalue λ that is printed is a variance; on pixels of 0 to 255 it drowns the picture. The code that was run took its root.',
  cropsTitle: 'Crops, section 4.1',
  cropsText:
    'Training never sees the whole picture of 256 pixels, but a window of 224, somewhere, and mirrored half of the time.',
  cropLeft: 'from the left',
  cropTop: 'from the top',
  cropMirror: 'mirrored',
  cropPicture: 'The picture with the window on it',
  cropView: 'What the net sees',
  cropNumber: 'Crop {n} of 2,048.',
  ask2048: 'Why 2048?',
  answer2048:
    'The window can begin at 32 places from the left and 32 from the top, the paper counts (256 − 224 = 32), and be mirrored or not: 32 × 32 × 2 = 2048. Strictly there are 33 places, 0 to 32, so 2178; the code that was run used them all.',
  tenTitle: 'Ten crops for a test',
  tenText:
    'To answer, the net looks at the four corners and the centre, each as it is and mirrored, and the ten answers are averaged. In the paper that takes the error from 39.0 % to 37.5 %.',
  tenLabel: 'The ten crops of the picture',
  featuresTitle: 'Can the net serve for something else?',
  featuresText:
    'What the last hidden layer says of an image (4096 numbers in the paper, 128 here) describes it well enough to find images of the same kind: the paper\'s Figure 4. <a href="#photo">Your photo</a> does it here. And like an auto-encoder? It can\'t draw the image again, as it was only trained to name it; but the paper suggests to train an auto-encoder on those numbers, whose short codes make searching fast. <code>tandem codes</code> does that.',

  photoTitle: 'Your photo',
  photoText:
    'A photo of yours through the net that was trained here, or through weights that you bring. Choose files or drop them here; they stay in this browser, too.',
  photoChoose: 'Choose a photo:',
  photoPicture: 'Your photo',
  photoSmall: 'Your photo as the net sees it, 32 pixels a side',
  photoHere: 'The net trained here',
  photoUntrained: 'Train the two towers first.',
  photoNone: 'Choose a photo: of something round, striped, dotted, star-shaped …',
  photoHint: 'It knows nothing but the kinds of images that it was trained on, and has to choose among them.',
  photoUnreadable: "This browser can't read that picture.",
  photoNearest: 'Find the nearest training images',
  photoNearestText:
    "Nearest by what the last hidden layer says of them, as in the paper's Figure 4: not by their pixels.",
  weightsTitle: 'Weights that you bring',
  weightsText:
    'AlexNets of torchvision, Caffe, the ONNX zoo and of this package; other ONNX and TensorFlow.js models that take pictures; of .safetensors, .pt and .npz files of other nets the first kernels. A .txt file with them names the classes, one a line.',
  weightsChoose: 'Files of one model:',
  weightsReading: 'Reading …',
  weightsOpened: '{kind}: {n} numbers.',
  weightsWaiting: '{kind}: {n} numbers. Choose a photo above.',
  weightsTensors:
    "{n} numbers, but the file doesn't tell the layers, so that it can't run; its first kernels:",
  weightsKernels: "Kernels of the model's first layer",
  classNumber: 'class {n}',

  machineTitle: 'This machine',
  machineText:
    "The package's own benchmark in this tab: each kernel beside a probe that measures, in the same moment, how much this machine can multiply and add, and how much its memory gives. No kernel can be above the roof, but for convolutions by Winograd's method, which multiply less than is counted.",
  machineGo: 'Measure',
  machineStop: 'Stop',
  machineCopy: 'Copy as JSON',
  machineIdle: 'Takes about a minute. Training pauses meanwhile.',
  machineStarting: 'Starting …',
  machineRunning: '{n} kernels measured, last: {name}',
  machineDone: '{n} kernels measured.',
  machineCopied: 'Copied: npm run bench:page and bench:compare read it.',
  machineLegend:
    'Blue: matrix products. Orange: convolutions. Green: passes over memory. Both axes by powers of ten.',
  machineChart: 'Kernels below the roofline of this machine',
  machineAxis: 'operations for each byte',
  machineTable: 'All kernels measured',
  machineKernel: 'kernel',
  machineShare: 'of the roof',

  foot: 'Tandem: a tensor engine in TypeScript, the same package that you import. The paper: Krizhevsky, Sutskever, Hinton, “ImageNet Classification with Deep Convolutional Neural Networks”, 2012.',
} as const;

/** The texts. */
export const en: Texts = english;
