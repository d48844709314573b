import type { LayersModel } from '@tensorflow/tfjs-layers';
import { startBackend } from './backend.ts';
import { EPOCHS, fineTune, newClassifier, predict, type Example } from './classifier.ts';
import { describe } from './network.ts';
import { frameOf, loadBundled, type BundledClass } from './pictures.ts';
import { bars, card, find, gallery, showLosses } from './view.ts';
import './style.css';

/** A class to learn, with the pictures to learn it from. */
interface Class {
  name: string;
  readonly pictures: ImageData[];
}

const BURST = 8;
const sources = find('sources', HTMLFieldSetElement);
const camera = find('camera', HTMLVideoElement);
const train = find('train', HTMLButtonElement);
const [verdict, answers, error] = [find('verdict', HTMLElement), find('answers', HTMLElement), find('error', HTMLElement)];

let bundled: BundledClass[] = [];
let classes: Class[] = [];
/** What predicts now; a loop that predicts by another one ends. */
let model: LayersModel | null = null;

const tell = (problem: unknown) => (error.textContent = problem instanceof Error ? problem.message : String(problem));
const run = (work: () => Promise<void>) => void work().catch(tell);

run(async () => {
  find('backend', HTMLElement).textContent = `Computes on ${await startBackend()}.`;
  bundled = await loadBundled();
  sources.addEventListener('change', () => run(useSource));
  train.addEventListener('click', () => run(learn));
  await useSource();
});

const usesCamera = () => sources.querySelector<HTMLInputElement>('input:checked')!.value === 'camera';

/** Takes up the source that is chosen, and forgets what was learnt from another. */
async function useSource(): Promise<void> {
  setBusy(true);
  try {
    forget();
    stopCamera();
    classes = usesCamera()
      ? ['First', 'Second', 'Third'].map((name) => ({ name, pictures: [] }))
      : bundled.map(({ name, train }) => ({ name, pictures: [...train] }));
    if (usesCamera()) await startCamera();
    else await judge(await newClassifier(classes.length), 'Before fine-tuning');
  } finally {
    showClasses();
    setBusy(false);
  }
}

async function learn(): Promise<void> {
  const taught = classes.filter(({ pictures }) => pictures.length > 0);
  const examples = taught.flatMap(({ pictures }, label): Example[] => pictures.map((picture) => ({ picture, label })));
  setBusy(true);
  try {
    forget();
    const learner = await newClassifier(taught.length);
    find('network', HTMLElement).textContent = describe(learner);
    const losses: number[] = [];
    await fineTune(learner, examples, (loss) => {
      losses.push(loss);
      showLosses(losses, EPOCHS);
    });
    if (usesCamera()) run(() => watch(learner, taught));
    else await judge(learner, 'After fine-tuning');
  } finally {
    setBusy(false);
  }
}

/** Shows what a network says of the bundled pictures that it does not learn from. */
async function judge(judged: LayersModel, when: string): Promise<void> {
  model = judged;
  const pictures = bundled.flatMap(({ test }, label) => test.map((picture) => ({ picture, label })));
  const probabilities = await predict(
    judged,
    pictures.map(({ picture }) => picture),
  );
  const results = pictures.map(({ picture, label }, i) => {
    const said = probabilities[i].indexOf(Math.max(...probabilities[i]));
    return { picture, shows: bundled[label].name, said: bundled[said].name, probability: probabilities[i][said], right: said === label };
  });
  verdict.textContent = `${when}: ${results.filter(({ right }) => right).length} of ${results.length} pictures right, none of which it learns from.`;
  answers.replaceChildren(...gallery(results));
}

/** Shows what a network says of the webcam's picture, again and again. */
async function watch(watcher: LayersModel, taught: readonly Class[]): Promise<void> {
  model = watcher;
  const rows = bars(taught.map(({ name }) => name));
  answers.replaceChildren(...rows.map(({ row }) => row));
  const look = async (): Promise<void> => {
    // Another one predicts now, or none.
    if (model !== watcher) return void watcher.dispose();
    const [probabilities] = await predict(watcher, [frameOf(camera)]);
    for (const [i, { show }] of rows.entries()) show(probabilities[i]);
    requestAnimationFrame(() => run(look));
  };
  await look();
}

/** Forgets what was learnt. */
function forget(): void {
  // One that looks through the webcam goes once it has seen what it looks at.
  if (!camera.srcObject) model?.dispose();
  model = null;
  showLosses([], EPOCHS);
  error.textContent = verdict.textContent = '';
  answers.replaceChildren();
}

async function startCamera(): Promise<void> {
  if (!navigator.mediaDevices) throw new Error('No webcam: a page has it over HTTPS or on localhost only. Use the bundled pictures.');
  camera.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 } });
  await camera.play();
  camera.hidden = false;
}

function stopCamera(): void {
  for (const track of (camera.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
  camera.srcObject = null;
  camera.hidden = true;
}

function showClasses(): void {
  const cards = classes.map((it) =>
    card(it, camera.srcObject ? { rename: (name) => (it.name = name), take: () => takePictures(it), burst: BURST } : null),
  );
  find('classes', HTMLElement).replaceChildren(...cards);
  train.disabled = classes.filter(({ pictures }) => pictures.length > 0).length < 2;
}

async function takePictures(it: Class): Promise<void> {
  setBusy(true);
  for (let i = 0; i < BURST; i++) {
    it.pictures.push(frameOf(camera));
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
  showClasses();
  setBusy(false);
}

/** While busy, nothing can be started. */
function setBusy(busy: boolean): void {
  find('controls', HTMLFieldSetElement).disabled = busy;
}
