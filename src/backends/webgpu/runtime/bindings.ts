/**
 * Bind groups: which buffers a dispatch sees. A training step binds the same buffers over and over, so groups are kept by
 * the buffers bound and made anew only for new company. The numbers of a dispatch are a slice of one uniform buffer, whose
 * place is given with each dispatch (a dynamic offset), so that it isn't part of the group.
 */
import type { Slot } from './buffers.js';

/** A stretch of a buffer, in bytes. */
export interface Binding {
  readonly slot: Slot;
  readonly offset: number;
  readonly bytes: number;
}

/** Bytes of the uniform buffer's slices are a multiple of this (WebGPU's default alignment of dynamic offsets). */
export const uniformAlignment = 256;

/** Groups kept: those of the last so many made or asked for, and as many of the time before. */
const generation = 1024;

/** The bind groups of one device. */
export class BindGroups {
  /** Number of groups made. */
  created = 0;
  private lately = new Map<string, GPUBindGroup>();
  private before = new Map<string, GPUBindGroup>();

  /** @param uniforms of which every dispatch sees a slice as binding 0 */
  constructor(
    private readonly device: Pick<GPUDevice, 'createBindGroup'>,
    private readonly uniforms: GPUBuffer,
  ) {}

  /**
   * @param access as `Program.access`, of which `layout` is
   * @param bytes of the slice of uniforms
   */
  get(layout: GPUBindGroupLayout, access: string, bytes: number, bindings: readonly Binding[]): GPUBindGroup {
    let key = `${access}${bytes}`;
    for (const { slot, offset, bytes } of bindings) {
      key += bytes === slot.bytes ? ` ${slot.number}` : ` ${slot.number}:${offset}:${bytes}`;
    }
    const known = this.lately.get(key);
    if (known) return known;
    const group = this.before.get(key) ?? this.make(layout, bytes, bindings);
    if (this.lately.size >= generation) {
      this.before = this.lately;
      this.lately = new Map();
    }
    this.lately.set(key, group);
    return group;
  }

  private make(layout: GPUBindGroupLayout, bytes: number, bindings: readonly Binding[]): GPUBindGroup {
    this.created++;
    const entries: GPUBindGroupEntry[] = bindings.map(({ slot, offset, bytes }, i) => ({
      binding: i + 1,
      resource: { buffer: slot.gpu, offset, size: bytes },
    }));
    entries.push({ binding: 0, resource: { buffer: this.uniforms, size: bytes } });
    return this.device.createBindGroup({ layout, entries });
  }
}
