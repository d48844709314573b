/** What `--help` prints. */
export const HELP = `saccade-bench compares visual attention blocks: how fast they are, and what they do for accuracy.

  saccade-bench [OPTIONS]              latency, then accuracy, of all blocks
  saccade-bench latency [OPTIONS]      each block against its plain formulation, at each shape
  saccade-bench scaling [OPTIONS]      each block on growing maps: the power of the number of positions that its time grows with
  saccade-bench accuracy [OPTIONS]     the same small residual network with each block, and with none
  saccade-bench primitives [OPTIONS]   core's pooling, gating and attention against the natural formulations
  saccade-bench serve [OPTIONS]        the page that does all this in a browser, and shows what blocks attend to
  saccade-bench report FILE…           Markdown tables of one or more result files, on standard output
  saccade-bench pack --out DIR         a folder that runs on another x86-64 Linux machine: no Node, no network

  --backend NAME     webgpu, webgl, wasm, cpu or auto (default): a hardware GPU if there is one, else wasm.
                     A software renderer is used only for a GPU backend that is named, and labelled as software.
  --in chrome        measure in a headless Chrome or Chromium instead of Node; webgl is there alone
  --chrome PATH      the browser's binary (default: CHROME_PATH, or the first that is found)
  --blocks A,B       only these, by the name of the block or of its package
  --shapes S,S       latency at these instead of the default shapes, e.g. 1x56x56x256,1x14x14x1024
  --peer P,P         "latency" also beside other libraries, for the blocks that have a graph for them: ort-web, which is
                     onnxruntime-web on one thread, with --backend wasm; torch, where python3 has it: on one thread of
                     the CPU with --backend wasm or cpu, on CUDA with webgpu
  --tasks T,T        what networks are trained on: clothes (default), scenes, pathfinder, where
  --epochs N         of each training (default 3)
  --seeds N          trainings of each network; by default as many as the budget allows, 1 to 5
  --data D           images for accuracy: "subset" (default), 3,000 images of Fashion-MNIST that come along, so that runs
                     take the same time everywhere; "debian", all 70,000 where Debian's dataset-fashion-mnist is
                     installed; or a folder with Fashion-MNIST's IDX files or CIFAR-10's binary batches
  --budget SECONDS   how long the run should take (default: 300 for each dozen blocks). It decides how many samples
                     and seeds are taken, never what is measured. Trainings whose number is given are not cut short.
  --json FILE        where to write the results (default: a new file in results/)
  --save DIR         keep the networks that "accuracy" trains with its first seed, for the page to look through

  --port N           of "serve" (default 8080; 0 for any)
  --host ADDRESS     of "serve": 127.0.0.1 (default) for this machine alone, 0.0.0.0 for all devices of the house
  --open             open the page in the browser

Exit code: 0 all measured; 1 a row failed or the results could not be written; 2 a command line that cannot be followed;
130 ended by Ctrl-C, with what was measured until then printed and written.
`;
