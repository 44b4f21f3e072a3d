/**
 * A sheet of 32x32 pixels to draw on: with the mouse or a finger, or by arrow keys, which move a pen that draws; with
 * Shift it moves without drawing.
 */
import { toPixels, toPlanes } from '../../engine/picture.js';
import { byId, contextOf } from '../../page/dom.js';

/** Background and figure, far enough apart in brightness, as the drawn images have them. */
const colours = [
  ['#20303f', '#f2c14e'],
  ['#e9e4d8', '#a23b2a'],
  ['#14342b', '#bfe3c0'],
  ['#f4d6cc', '#274690'],
] as const;

const steps: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** The sheet. */
export class Sheet {
  private readonly canvas = byId('draw', HTMLCanvasElement);
  private readonly context = contextOf(this.canvas);
  private readonly pen = byId('draw-pen', HTMLElement);
  private palette = 0;
  private drawing = false;
  private place: readonly [x: number, y: number] = [16, 16];

  /** @param changed called whenever something was drawn; `ended` once the hand rests */
  constructor(private readonly changed: (ended: boolean) => void) {
    const { canvas } = this;
    canvas.addEventListener('pointerdown', (event) => {
      this.drawing = true;
      canvas.setPointerCapture(event.pointerId);
      this.place = this.pointOf(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (this.drawing) this.lineTo(this.pointOf(event), false);
    });
    for (const end of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(end, (event) => {
        if (this.drawing) this.lineTo(this.pointOf(event), true);
        this.drawing = false;
      });
    }
    canvas.addEventListener('keydown', (event) => this.press(event));
    this.clear();
  }

  /** What is on it, `[3, 32, 32]`. */
  get planes(): Uint8Array {
    return toPlanes(this.context.getImageData(0, 0, this.canvas.width, this.canvas.height));
  }

  /** Another sheet, in other colours. */
  renew(): void {
    this.palette++;
    this.clear();
  }

  /** Puts a picture on it. */
  put(planes: Uint8Array): void {
    this.context.putImageData(toPixels(planes, this.canvas.width), 0, 0);
  }

  private get pair(): readonly [ground: string, figure: string] {
    return colours[this.palette % colours.length] ?? colours[0];
  }

  private clear(): void {
    const [ground, figure] = this.pair;
    const { context, canvas } = this;
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = figure;
    context.lineWidth = 3;
    context.lineCap = 'round';
    this.showPen();
  }

  private press(event: KeyboardEvent): void {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const [x, y] = this.place;
    const within = (value: number): number => Math.max(0, Math.min(this.canvas.width, value));
    const to = [within(x + step[0]), within(y + step[1])] as const;
    if (event.shiftKey) this.place = to;
    else this.lineTo(to, true);
    this.showPen();
  }

  private lineTo(to: readonly [number, number], ended: boolean): void {
    this.context.beginPath();
    this.context.moveTo(...this.place);
    this.context.lineTo(...to);
    this.context.stroke();
    this.place = to;
    this.changed(ended);
  }

  private showPen(): void {
    const [x, y] = this.place.map((at) => (100 * at) / this.canvas.width);
    this.pen.style.left = `${x}%`;
    this.pen.style.top = `${y}%`;
  }

  private pointOf({ clientX, clientY }: PointerEvent): [number, number] {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [((clientX - left) * this.canvas.width) / width, ((clientY - top) * this.canvas.height) / height];
  }
}
