/**
 * The third section: the paper's sections explained by doing, each with its formula and the lines of the source that are
 * it.
 */
import { checkbox, slider } from '../../page/controls.js';
import { excerpt } from '../../page/excerpt.js';
import type { TextName } from '../../page/language.js';
import { markup as m } from '../../page/markup.js';

/** A question of a reader's and its answer. */
function asked(question: TextName, answer: TextName): string {
  return `<details class="asked"><summary>${m(question)}</summary><p>${m(answer)}</p></details>`;
}

const formula = (text: string): string => `<p class="formula">${text}</p>`;

const lrn = (): string => `<article class="card" id="lrn"><h3>${m('lrnTitle')}</h3><p>${m('lrnText')}</p>
${formula('<i>b<sub>i</sub></i> = <i>a<sub>i</sub></i> / (<i>k</i> + <i>α</i> Σ<sub><i>j</i></sub> <i>a<sub>j</sub></i>²)<sup><i>β</i></sup>')}
<div class="sliders">${slider('lrn-k', { symbol: 'k' }, [0.5, 4, 0.1, 2])}${slider('lrn-n', { symbol: 'n' }, [1, 9, 2, 5])}${slider('lrn-alpha', { symbol: 'α' }, [-6, -2, 0.5, -4])}${slider('lrn-beta', { symbol: 'β' }, [0, 1.5, 0.05, 0.75])}</div>
<div id="lrn-chart" class="drawing"></div><p class="hint">${m('lrnLegend')}</p>
<p class="buttons"><button id="lrn-others" type="button">${m('lrnOthers')}</button> ${checkbox('lrn-contrast', 'lrnContrast')}</p>
${asked('askBrightness', 'answerBrightness')}
${excerpt('src/backends/cpu/kernels/lrn/loop.ts', 'function denominators', '}')}</article>`;

const shapes =
  (): string => `<article class="card" id="shapes"><h3>${m('shapesTitle')}</h3><p>${m('shapesText')}</p>
${formula('<span class="c-path">max(0, <i>x</i>)</span> &nbsp; <span class="c-second">tanh <i>x</i></span> &nbsp; <span class="c-third">|tanh <i>x</i>|</span>')}
<div class="sliders">${slider('shapes-x', { symbol: 'x' }, [-4, 4, 0.1, 1.5])}</div>
<div id="shapes-chart" class="drawing"></div><p id="shapes-result" class="result"></p>
${asked('askAbs', 'answerAbs')}
${excerpt('src/core/ops/elementwise.ts', 'export const relu', ');')}</article>`;

const dropout =
  (): string => `<article class="card" id="dropout"><h3>${m('dropoutTitle')}</h3><p>${m('dropoutText')}</p>
${formula('<i>y</i> = Σ<sub><i>i</i></sub> <i>m<sub>i</sub> w<sub>i</sub> h<sub>i</sub></i>, &nbsp; <i>m<sub>i</sub></i> = 0 <small>(<i>p</i>)</small>, 1 / (1 − <i>p</i>) <small>(1 − <i>p</i>)</small>')}
<div class="sliders">${slider('dropout-uneven', 'dropoutUneven', [0, 1, 0.05, 0.6])}${slider('dropout-p', { symbol: 'p' }, [0, 0.8, 0.1, 0.5])}</div>
<div id="dropout-chart" class="drawing"></div><p id="dropout-result" class="result"></p>
${asked('askCoadaptation', 'answerCoadaptation')}
${excerpt('src/core/ops/dropout.ts', 'export function dropout', '}')}</article>`;

const momentum =
  (): string => `<article class="card" id="momentum"><h3>${m('momentumTitle')}</h3><p>${m('momentumText')}</p>
${formula('<i>v</i> := <i>μ v</i> − <i>λ ε w</i> − <i>ε</i> ∂<i>L</i>/∂<i>w</i>, &nbsp; <i>w</i> := <i>w</i> + <i>v</i>')}
<div class="sliders">${slider('momentum-momentum', 'momentumMomentum', [0, 0.99, 0.01, 0.9])}${slider('momentum-rate', 'momentumRate', [0.002, 0.16, 0.002, 0.02])}${slider('momentum-decay', 'momentumDecay', [0, 2, 0.05, 0])}</div>
<div id="momentum-chart" class="drawing"></div><p id="momentum-result" class="result"></p><p class="hint">${m('momentumLegend')}</p>
${excerpt('src/nn/sgd.ts', 'const [w, g, v]', 'const paper = [e.add(w, velocity), velocity];')}</article>`;

const loss =
  (): string => `<article class="card" id="loss"><h3>${m('lossExplained')}</h3><p>${m('lossText')}</p>
${formula('<i>L</i> = −log <i>p</i><sub>★</sub>, &nbsp; <i>p<sub>i</sub></i> = exp <i>s<sub>i</sub></i> / Σ<sub><i>j</i></sub> exp <i>s<sub>j</sub></i>')}
<div class="sliders">${slider('loss-star', 'classStar', [-5, 5, 0.1, 1])}${slider('loss-ring', 'classRing', [-5, 5, 0.1, 0.5])}${slider('loss-cross', 'classCross', [-5, 5, 0.1, -1])}</div>
<div id="loss-bars" class="bars"></div><p id="loss-result" class="result"></p>
${asked('askObjective', 'answerObjective')}
${excerpt('src/backends/cpu/kernels/crossEntropy/loop.ts', 'export function crossEntropy(', '}')}</article>`;

const mean = (): string => `<article class="card" id="mean"><h3>${m('meanTitle')}</h3><p>${m('meanText')}</p>
${formula('<i>x</i>′<sub><i>c,y,x</i></sub> = <i>x<sub>c,y,x</sub></i> − (1/<i>N</i>) Σ<sub><i>n</i></sub> <i>x</i><sup>(<i>n</i>)</sup><sub><i>c,y,x</i></sub>')}
<div class="sliders">${slider('mean-images', 'meanImages', [0, 9, 1, 6])}</div>
<canvas id="mean-tiles" class="wide-tiles" width="134" height="32" role="img" data-label="meanLabel" aria-label="${m.plain('meanLabel')}"></canvas>
<p class="hint">${m('meanLegend')}</p><p id="mean-result" class="result"></p>
${asked('askMean', 'answerMean')}
${excerpt('src/data/images/mean.ts', '  add(images: Uint8Array)', '  }')}</article>`;

const colour =
  (): string => `<article class="card" id="colour"><h3>${m('colourTitle')}</h3><p>${m('colourText')}</p>
${formula('[<i>p</i><sub>1</sub> <i>p</i><sub>2</sub> <i>p</i><sub>3</sub>] [<i>α</i><sub>1</sub>√<i>λ</i><sub>1</sub> <i>α</i><sub>2</sub>√<i>λ</i><sub>2</sub> <i>α</i><sub>3</sub>√<i>λ</i><sub>3</sub>]<sup>T</sup>, &nbsp; <i>α<sub>k</sub></i> ~ <i>N</i>(0, 0.1)')}
<div class="sliders">${slider('colour-deviation', 'colourDeviation', [0, 0.6, 0.02, 0.1])}</div>
<canvas id="colour-tiles" class="wide-tiles colour" width="390" height="194" role="img" data-label="colourLabel" aria-label="${m.plain('colourLabel')}"></canvas>
<p id="colour-values" class="result"></p>
<p class="buttons"><button id="colour-again" type="button">${m('colourAgain')}</button> ${checkbox('colour-apart', 'colourApart')} ${checkbox('colour-literal', 'colourLiteral')}</p>
${asked('askColour', 'answerColour')}
${excerpt('src/data/images/pca.ts', 'export function colourShift', '}')}</article>`;

const crops =
  (): string => `<article class="card" id="crops"><h3>${m('cropsTitle')}</h3><p>${m('cropsText')}</p>
${formula('32 × 32 × 2 = 2048')}
<div class="sliders">${slider('crop-left', 'cropLeft', [0, 31, 1, 9])}${slider('crop-top', 'cropTop', [0, 31, 1, 20])}</div>
<p>${checkbox('crop-mirror', 'cropMirror')}</p>
<div class="crop"><canvas id="crop-picture" width="256" height="256" role="img" data-label="cropPicture" aria-label="${m.plain('cropPicture')}"></canvas><canvas id="crop-view" width="224" height="224" role="img" data-label="cropView" aria-label="${m.plain('cropView')}"></canvas></div>
<p id="crop-number" class="result"></p>
${asked('ask2048', 'answer2048')}
<h4>${m('tenTitle')}</h4><p>${m('tenText')}</p>
<canvas id="ten-crops" class="wide-tiles ten" width="1152" height="456" role="img" data-label="tenLabel" aria-label="${m.plain('tenLabel')}"></canvas>
${excerpt('src/data/images/cuts.ts', '  const corners = [', '  const places = [false, true].flatMap((mirror) => corners.map(([top, left]) => ({ top, left, mirror })));')}</article>`;

/** The section as markup. */
export const explainMarkup = (): string => `
<section id="explain" aria-labelledby="explain-title">
<h2 id="explain-title">${m('explainTitle')}</h2><p>${m('explainText')}</p>
<div class="explanations">${shapes()}${lrn()}${dropout()}${momentum()}${loss()}${mean()}</div>
<div id="explain-pictures"><p class="file"><label for="explain-photo">${m('explainPhoto')}</label> <input id="explain-photo" type="file" accept="image/*"></p>
<div class="explanations">${colour()}${crops()}</div></div>
<div class="card"><h3>${m('featuresTitle')}</h3><p>${m('featuresText')}</p></div>
</section>`;
