// In: the path of a model. Out: nothing, or a typed error: a file that is no GGUF at all is refused here, since the reader in front of
// llama.cpp may look for the end of nonsense for ever. What is wrong further inside, llama.cpp finds.
import { open } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';

const MAGIC = 0x46554747;
const VERSIONS = [2, 3];
/** Bytes of the smallest entry of each kind. */
const LEAST_FIELD = 13;
const LEAST_TENSOR = 32;
const HEAD = 24;

export async function checkModelFile(path: string): Promise<void> {
  const head = Buffer.alloc(HEAD);
  let size = 0;
  try {
    const file = await open(path, 'r');
    try {
      size = (await file.stat()).size;
      await file.read(head, 0, HEAD, 0);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new FactoryError({
      code: 'MODEL_NOT_FOUND',
      message: `The model file ${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      remedy: 'Name a GGUF file that this user may read.',
      cause,
    });
  }
  const version = head.readUInt32LE(4);
  const tensors = head.readBigUInt64LE(8);
  const fields = head.readBigUInt64LE(16);
  const least = tensors * BigInt(LEAST_TENSOR) + fields * BigInt(LEAST_FIELD);
  const wrong =
    size < HEAD || head.readUInt32LE(0) !== MAGIC
      ? 'it does not begin with "GGUF"'
      : !VERSIONS.includes(version)
        ? `its version is ${version}, and 2 and 3 are known`
        : least > BigInt(size)
          ? `it announces ${tensors} tensors and ${fields} fields, which ${size} bytes cannot hold`
          : null;
  if (wrong !== null)
    throw new FactoryError({
      code: 'SERVE_MODEL',
      message: `${path} is no GGUF file: ${wrong}`,
      remedy: 'Write the model with `tunesmith export --to gguf`, and serve what that gives.',
    });
}
