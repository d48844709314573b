import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { frameOf } from './picture.ts';
import { show } from './work.ts';

/** Takes a picture. The browser asks for the camera when it is asked for here, and it is off again once the picture is taken. */
export function Camera() {
  const stream = useSignal<MediaStream | null>(null);
  const problem = useSignal<string | null>(null);
  const video = useRef<HTMLVideoElement>(null);
  const stop = () => {
    for (const track of stream.peek()?.getTracks() ?? []) track.stop();
    stream.value = null;
  };
  useEffect(() => stop, []);
  useEffect(() => {
    if (video.current && stream.value) video.current.srcObject = stream.value;
  }, [stream.value]);

  const open = async () => {
    problem.value = null;
    try {
      if (!navigator.mediaDevices)
        throw new Error('Browsers give pages the camera over HTTPS or on localhost only. Take a picture and open it as a file.');
      stream.value = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch (error) {
      problem.value = reasonOf(error);
    }
  };
  const take = async () => {
    const picture = frameOf(video.current!);
    stop();
    await show(picture);
  };

  return (
    <div class="camera">
      {stream.value ? (
        <>
          <video ref={video} autoplay playsInline muted aria-label="What the camera sees" />
          <div class="actions">
            <button type="button" class="primary" onClick={() => void take()}>
              Take the picture
            </button>
            <button type="button" onClick={stop}>
              Cancel
            </button>
          </div>
        </>
      ) : (
        <button type="button" onClick={() => void open()}>
          Webcam…
        </button>
      )}
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </div>
  );
}

function reasonOf(error: unknown): string {
  const { name, message } = error as Error;
  if (name === 'NotAllowedError') return 'The camera was refused. Allow it for this page in the browser’s settings, or open a picture as a file.';
  if (name === 'NotFoundError') return 'No camera was found. Open a picture as a file.';
  if (name === 'NotReadableError') return 'The camera is in use elsewhere. Close what uses it, or open a picture as a file.';
  return message;
}
