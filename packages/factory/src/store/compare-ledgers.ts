// In: the folders of two cleaning runs. Out: rows whose verdict or text differs, counted and sampled. Rows are the same where
// their ids are: same content at the same place of the same file.
import { join } from 'node:path';
import { CleanLedger, LEDGER_FILE } from './clean-ledger.ts';

export interface LedgerDifference {
  rows: { both: number; onlyFirst: number; onlySecond: number };
  /** Rows in both whose verdict differs, by the reason in each run; null where the run keeps the row. */
  verdicts: { first: string | null; second: string | null; rows: number; samples: string[] }[];
  /** Rows kept by both with different text. */
  edited: { rows: number; samples: string[] };
}

const SAMPLES = 5;

export async function compareLedgers(first: string, second: string): Promise<LedgerDifference> {
  const ledger = await CleanLedger.open(first, false);
  try {
    const other = await CleanLedger.open(second, false);
    // Both ledgers are checked to be there; DuckDB then reads the second from within the first.
    other.close();
    const path = join(second, LEDGER_FILE).replaceAll("'", "''");
    await ledger.query(`attach '${path}' as second (read_only)`);
    await ledger.query(
      `create temp table one as select c.id, c.text, r.reason from cleaned c join decisions d using (n) left join rules r using (rule)`,
    );
    // A view of another database does not find its tables from here, so its definition is written out.
    const passes = await ledger.query(
      `select table_name as name from information_schema.tables where table_catalog = 'second' and table_name like 'pass\\_%' escape '\\' order by 1`,
    );
    const names = passes.map(({ name }) => String(name));
    const texts = [...names.map((name) => `${name}.after`).reverse(), 'w.original'].join(', ');
    const joins = names.map((name) => `join second.${name} ${name} using (n)`).join(' ');
    await ledger.query(
      `create temp table two as select w.id, coalesce(${texts}) as text, r.reason from second.rows w ${joins}
        join second.decisions d using (n) left join second.rules r using (rule)`,
    );
    const [rows] = await ledger.query(
      `select (select count(*) from one join two using (id))::integer as both,
        (select count(*) from one anti join two using (id))::integer as only_first,
        (select count(*) from two anti join one using (id))::integer as only_second`,
    );
    const verdicts = await ledger.query(
      `select one.reason as first, two.reason as second, count(*)::integer as rows, list(id order by id)[1:${SAMPLES}] as samples
        from one join two using (id) where one.reason is distinct from two.reason group by all order by rows desc, first, second`,
    );
    const [edited] = await ledger.query(
      `select count(*)::integer as rows, list(id order by id)[1:${SAMPLES}] as samples
        from one join two using (id) where one.reason is null and two.reason is null and one.text <> two.text`,
    );
    return {
      rows: {
        both: rows!.both as number,
        onlyFirst: rows!.only_first as number,
        onlySecond: rows!.only_second as number,
      },
      verdicts: verdicts as unknown as LedgerDifference['verdicts'],
      edited: { rows: edited!.rows as number, samples: (edited!.samples as string[] | null) ?? [] },
    };
  } finally {
    ledger.close();
  }
}
