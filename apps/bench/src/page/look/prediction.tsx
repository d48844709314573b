import { percent } from '../../report/format.ts';
import { classColour, css } from './colours.ts';
import { extent, HeatMap, Legend, Overlay } from './heat-map.tsx';
import { cam, label, opacity, picture, prediction, showsTruth, smooth, viewer } from './state.ts';
import { chooseLabel } from './work.ts';

/** What the network takes the picture for. */
export function Predicted() {
  const predicted = prediction.value;
  const current = viewer.value;
  if (!predicted || !current || !picture.value) return null;
  const { labels } = current.task;
  const { truth } = picture.value;
  const pixels = showsTruth.value ? truth : predicted.pixels;
  const ranked = labels
    .map((name, index) => ({ name, index, share: predicted.shares[index] }))
    .filter(({ share }) => share >= 0.005)
    .toSorted((a, b) => b.share - a.share);
  const summary = ranked.map(({ name, share }) => `${name} ${percent(share)} %`).join(', ');
  const right = truth && predicted.pixels ? predicted.pixels.filter((guess, p) => guess === truth[p]).length / truth.length : null;
  return (
    <section class="panel" aria-labelledby="predicted-title">
      <h2 id="predicted-title">It predicts</h2>
      {pixels && (
        <figure class="map">
          <Overlay
            picture={picture.value}
            cells={{ height: current.format.height, width: current.format.width, colourOf: (pixel) => classColour(pixels[pixel]) }}
            opacity={opacity.value}
            text={showsTruth.value ? 'The true label of each pixel' : `The most likely class of each pixel: ${summary}`}
          />
        </figure>
      )}
      <ul class="classes figure">
        {ranked.map(({ name, index, share }) => (
          <li key={name}>
            {pixels && <span class="swatch" style={{ background: css(classColour(index)) }} />}
            <span>{name}</span>
            <span>{percent(share)} %</span>
          </li>
        ))}
      </ul>
      {right !== null && (
        <div class="note">
          <p>Right on {percent(right)} % of the pixels.</p>
          <label>
            <input type="checkbox" checked={showsTruth.value} onChange={(event) => (showsTruth.value = event.currentTarget.checked)} />
            Show the true labels
          </label>
        </div>
      )}
      {truth && !predicted.pixels && <p class="note">It is: {labels[truth[0]]}.</p>}
    </section>
  );
}

/** What speaks for a class. */
export function Cam() {
  const current = viewer.value;
  const map = cam.value;
  if (!current || !picture.value || !map) return null;
  const { labels, dense } = current.task;
  const range = extent(map.values);
  return (
    <section class="panel" aria-labelledby="cam-title">
      <h2 id="cam-title">Grad-CAM</h2>
      <label class="stacked">
        What speaks for
        <select value={label.value} onChange={(event) => void chooseLabel(Number(event.currentTarget.value))}>
          {labels.map((name, index) => (
            <option key={name} value={index}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <figure class="map">
        <HeatMap
          picture={picture.value}
          plane={map}
          range={range}
          opacity={opacity.value}
          smooth={smooth.value}
          name={`Grad-CAM for ${labels[label.value]}`}
        />
        <Legend range={range} />
        <figcaption class="note">
          On the last features, {map.height}×{map.width}.{' '}
          {dense
            ? 'The score is the sum of the class’s logits over the pixels taken for it, or over all where there are none.'
            : 'The score is the class’s logit.'}{' '}
          <a href="https://arxiv.org/abs/1610.02391">Selvaraju et al. 2017</a>
        </figcaption>
      </figure>
    </section>
  );
}
