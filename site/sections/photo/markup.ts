/**
 * The fourth section: the visitor's photo.
 */
import { markup as m } from '../../page/markup.js';

/** The section as markup. */
export const photoMarkup = (): string => `
<section id="photo" aria-labelledby="photo-title">
<h2 id="photo-title">${m('photoTitle')}</h2><p>${m('photoText')}</p>
<div class="card"><p class="file"><label for="photo-file">${m('photoChoose')}</label> <input id="photo-file" type="file" accept="image/*"></p>
<div class="photo"><canvas id="photo-picture" width="256" height="256" role="img" data-label="photoPicture" aria-label="${m.plain('photoPicture')}"></canvas>
<canvas id="photo-small" width="32" height="32" role="img" data-label="photoSmall" aria-label="${m.plain('photoSmall')}"></canvas></div></div>
<div class="columns">
<div class="card"><h3>${m('photoHere')}</h3><p id="photo-hint" class="hint">${m('photoUntrained')}</p><div id="photo-answers" class="answers"></div>
<p><button id="photo-nearest" type="button" disabled>${m('photoNearest')}</button></p><p class="hint">${m('photoNearestText')}</p><div id="photo-found" class="samples found"></div></div>
<div class="card"><h3>${m('weightsTitle')}</h3><p>${m('weightsText')}</p>
<p class="file"><label for="weights-files">${m('weightsChoose')}</label> <input id="weights-files" type="file" multiple accept=".safetensors,.pt,.pth,.npz,.caffemodel,.onnx,.json,.bin,.txt,.data"></p>
<p id="weights-state" role="status">&nbsp;</p><div id="weights-answers" class="answers"></div>
<canvas id="weights-kernels" class="weights" width="8" height="8" hidden role="img" data-label="weightsKernels" aria-label="${m.plain('weightsKernels')}"></canvas></div>
</div>
</section>`;
