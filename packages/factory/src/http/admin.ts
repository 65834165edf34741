// In: requests to load, swap and unload models, under a key with the scope admin. Out: the models that are served then. Requests
// under way end with the model that they began with.
import type { FastifyInstance } from 'fastify';
import type { ServedModel } from '#factory/records/served-model.ts';
import type { ModelSet } from '#factory/serve/model-set.ts';
import { badRequest } from './api-error.ts';
import { fieldsOf, needed } from './fields.ts';

export interface AdminPorts {
  /** Opens what an entry of the configuration's `models` describes: one model, or a base with its adapters. */
  open(entry: unknown): Promise<{ id: string; model: ServedModel }[]>;
}

export function addAdminRoutes(app: FastifyInstance, models: ModelSet, ports: AdminPorts): void {
  const admin = { config: { scope: 'admin' as const } };
  /** Loading two models at once could take the memory of both together. */
  let loading: Promise<unknown> = Promise.resolve();

  const states = () =>
    models.list().map(({ id, model, leases, since }) => ({
      id,
      fingerprint: model.fingerprint,
      context_size: model.contextSize,
      ready: model.isReady(),
      in_flight: leases,
      since: new Date(since).toISOString(),
    }));

  app.get('/admin/models', admin, () => ({ models: states() }));

  app.post('/admin/models', admin, async (request, reply) => {
    const fields = fieldsOf(request.body ?? null, '');
    const id = needed(fields, 'id', fields.text('id'));
    const replaces = fields.bool('replace') ?? false;
    if (models.has(id) && !replaces)
      throw badRequest(
        'id',
        `A model ${JSON.stringify(id)} is served; set 'replace' to swap it.`,
        'model_exists',
      );
    const { replace: _, ...entry } = request.body as Record<string, unknown>;
    const turn = loading.catch(() => undefined).then(() => ports.open(entry));
    loading = turn;
    const opened = await turn;
    // The models that are replaced close after their last request; nobody waits for that here.
    for (const one of opened) void models.put(one.id, one.model).catch(() => undefined);
    return reply.code(201).send({ models: states() });
  });

  app.delete<{ Params: { '*': string } }>('/admin/models/*', admin, (request) => {
    void models.remove(request.params['*']).catch(() => undefined);
    return { models: states() };
  });
}
