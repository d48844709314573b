import { backend, engine, getBackend, getKernel, registerKernel } from '@tensorflow/tfjs-core';
import type { KernelConfig, NamedAttrMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core';

/** The inputs of a kernel as it gets them. Those that there may be none of are undefined. */
export type Inputs<I> = { [K in keyof I]: TensorInfo | Extract<I[K], undefined> };

/** A kernel as one backend does it. */
export interface Form<B, I, A = object> {
  /** Whether this very backend can do it. Default: yes. */
  readonly canRun?: (backend: B) => boolean;
  /** Whether these inputs are within its limits. Default: yes. */
  readonly fits?: (inputs: I, attrs: A) => boolean;
  readonly run: (backend: B, inputs: Inputs<I>, attrs: A) => TensorInfo;
}

/** A kernel of our own, which has no gradient. */
export interface Kernel<I, A> {
  /**
   * What the current backend computes, or undefined where it cannot: it is then composed of operations. So it is where a gradient is being recorded,
   * which would end at the kernel; the forward of `differentiable` is not recorded.
   */
  (inputs: I, ...attrs: object extends A ? [A?] : [A]): Tensor | undefined;
  /** Whether the current backend can compute it, of inputs within its limits. */
  isAvailable(): boolean;
}

/**
 * A kernel of our own in its forms for the backends that have one, registered with TensorFlow.js when it is first called, so that what profiles
 * kernels sees it.
 *
 * @param forms by the backend's name
 */
export function ownKernel<I extends object, A extends object = object>(
  kernelName: string,
  forms: Readonly<Record<string, Form<never, I, A>>>,
): Kernel<I, A> {
  const formNow = (): Form<unknown, I, A> | undefined => {
    const form = forms[getBackend()] as Form<unknown, I, A> | undefined;
    return form?.canRun?.(backend()) === false ? undefined : form;
  };
  const kernel = (inputs: I, attrs?: A): Tensor | undefined => {
    const form = engine().isTapeOn() ? undefined : formNow();
    if (!form || form.fits?.(inputs, attrs as A) === false) return undefined;
    const backendName = getBackend();
    if (!getKernel(kernelName, backendName)) {
      const kernelFunc = (({ inputs, backend, attrs }) => form.run(backend, inputs as never, attrs as never)) as KernelConfig['kernelFunc'];
      registerKernel({ kernelName, backendName, kernelFunc });
    }
    return engine().runKernel(kernelName, inputs as Record<string, Tensor>, attrs as NamedAttrMap | undefined);
  };
  return Object.assign(kernel, { isAvailable: () => formNow() !== undefined });
}
