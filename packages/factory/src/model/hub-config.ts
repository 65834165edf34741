// In: a hub id. Out: its config.json, without downloading the model. Nothing is cached here.
import { downloadError, hubStatusError } from './hub-file.ts';

const HUB_URL = 'https://huggingface.co';

export interface HubConfigOptions {
  revision: string;
  token: string | null;
  hubUrl?: string;
  fetch?: typeof fetch;
}

export async function fetchHubConfig(
  id: string,
  { revision, token, hubUrl = HUB_URL, fetch: get = fetch }: HubConfigOptions,
): Promise<Record<string, unknown>> {
  const what = `${id}, config.json of revision ${revision}`;
  let response: Response;
  try {
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    response = await get(`${hubUrl}/${id}/resolve/${encodeURIComponent(revision)}/config.json`, { headers });
  } catch (error) {
    throw downloadError(error, what);
  }
  const text = await response.text();
  if (!response.ok) throw hubStatusError(response.status, what, text);
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw downloadError(error, what);
  }
}
