import { useSignal } from '@preact/signals';
import { percent, whole } from '../../report/format.ts';
import { Camera } from './camera.tsx';
import { PHOTOS } from './picture.ts';
import { backend, busy, file, files, inverted, opacity, picture, smooth, viewer } from './state.ts';
import { invert, openFile, openOwn, showFile, showPhoto, showTest } from './work.ts';

const OWN = 'own';

/** Which network, and where it comes from. */
export function Network() {
  const names = files.value ?? [];
  const isOwn = file.value !== null && !names.includes(file.value);
  return (
    <section class="panel" aria-labelledby="network-title">
      <h2 id="network-title">Network</h2>
      {names.length > 0 && (
        <label class="stacked">
          Trained with
          <select value={isOwn ? OWN : (file.value ?? '')} onChange={(event) => void openFile(event.currentTarget.value)}>
            {isOwn && (
              <option value={OWN} disabled>
                {file.value}
              </option>
            )}
            {names.map((name) => (
              <option key={name} value={name}>
                {name.replace(/\.safetensors$/, '')}
              </option>
            ))}
          </select>
        </label>
      )}
      <Provenance />
      <FileButton accept=".safetensors" onFile={openOwn}>
        A network of one’s own…
      </FileButton>
    </section>
  );
}

function Provenance() {
  if (!viewer.value) return null;
  const {
    block,
    package: from,
    packageVersion,
    seed,
    epochs,
    data,
    metric,
    score,
    params,
    versions,
    commit,
    date,
    backend: trainedOn,
  } = viewer.value.provenance;
  return (
    <div class="note provenance">
      <p>
        {block ? `${block}, ${from} ${packageVersion ?? ''}` : 'Without a block'}: {whole(params)} parameters, {metric} {percent(score)} %.
      </p>
      <p>
        Trained by this benchmark on {data}: {epochs} epochs, seed {seed}.
      </p>
      <details>
        <summary>More</summary>
        <p>
          {new Date(date).toLocaleString()}, {trainedOn}
          {commit && `, commit ${commit.slice(0, 12)}`}
        </p>
        {Object.entries(versions).map(([name, version]) => (
          <p key={name}>
            {name} {version}
          </p>
        ))}
        <p>Here it computes on {backend.value}.</p>
      </details>
    </div>
  );
}

/** Which picture. */
export function PictureChoice() {
  const over = useSignal(false);
  const dragged = (isOver: boolean) => (event: DragEvent) => {
    event.preventDefault();
    over.value = isOver;
  };
  const onDrop = (event: DragEvent) => {
    dragged(false)(event);
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped) void showFile(dropped);
  };
  return (
    <section class="panel" aria-labelledby="picture-title">
      <h2 id="picture-title">Picture</h2>
      <div class="actions thumbnails">
        <button type="button" disabled={!viewer.value} onClick={() => void showTest(-1)} aria-label="Previous test image">
          ‹
        </button>
        <button type="button" disabled={!viewer.value} onClick={() => void showTest(picture.value?.truth ? 1 : 0)}>
          {picture.value?.truth ? 'Next test image' : 'Test image'}
        </button>
        {PHOTOS.map((photo) => (
          <button
            type="button"
            class="photo"
            key={photo.name}
            title={`${photo.name}, by ${photo.credit}`}
            aria-pressed={picture.value?.name === photo.name}
            onClick={() => void showPhoto(photo)}
          >
            <img src={photo.url} alt={photo.name} width={40} height={40} />
          </button>
        ))}
      </div>
      <div class="actions">
        <div class={`dropped ${over.value ? 'over' : ''}`} onDragOver={dragged(true)} onDragLeave={dragged(false)} onDrop={onDrop}>
          <FileButton accept="image/*" onFile={showFile}>
            Open or drop a file…
          </FileButton>
        </div>
        <Camera />
      </div>
      <p class="note">
        {picture.value?.name}
        {picture.value && viewer.value && `. The network sees it in ${viewer.value.format.height}×${viewer.value.format.width} pixels, `}
        {picture.value && viewer.value && (viewer.value.format.channels === 1 ? 'in shades of grey.' : 'in colour.')} Pictures stay on this device.
      </p>
      <label>
        <input type="checkbox" checked={inverted.value} onChange={(event) => void invert(event.currentTarget.checked)} />
        Invert it: the network knows bright things on black
      </label>
    </section>
  );
}

/** How maps are laid over the picture. */
export function Appearance() {
  return (
    <div class="bar appearance">
      <label>
        Opacity of maps
        <input
          type="range"
          min="0"
          max="1"
          step="0.05"
          value={opacity.value}
          aria-valuetext={`${Math.round(100 * opacity.value)} %`}
          onInput={(event) => (opacity.value = Number(event.currentTarget.value))}
        />
      </label>
      <label>
        <input type="checkbox" checked={smooth.value} onChange={(event) => (smooth.value = event.currentTarget.checked)} />
        Smooth
      </label>
      <span class="note" role="status">
        {busy.value > 0 ? 'Computing…' : ''}
      </span>
    </div>
  );
}

interface FileButtonProps {
  readonly accept: string;
  readonly onFile: (file: File) => Promise<void>;
  readonly children: string;
}

function FileButton({ accept, onFile, children }: FileButtonProps) {
  const onChange = (event: Event & { currentTarget: HTMLInputElement }) => {
    const [chosen] = event.currentTarget.files ?? [];
    // The same file again is a change, too.
    event.currentTarget.value = '';
    if (chosen) void onFile(chosen);
  };
  return (
    <label class="button file">
      {children}
      <input type="file" class="hidden" accept={accept} onChange={onChange} />
    </label>
  );
}
