// A durable adapter for oidc-provider over PostgreSQL: every write committed before it answers.
import pg from 'pg';

const now = () => Math.floor(Date.now() / 1000);

/** The adapter factory over the database at `url`, and `guests`, as in sqlite.mjs; here they answer with promises. */
export async function open(url) {
  const pool = new pg.Pool({ connectionString: url, max: 20 });
  await pool.query(`
    CREATE TABLE IF NOT EXISTS records (
      model TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL, grant_id TEXT, uid TEXT, user_code TEXT,
      consumed INTEGER, expires INTEGER, PRIMARY KEY (model, id));
    CREATE INDEX IF NOT EXISTS by_grant ON records (grant_id) WHERE grant_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS by_uid ON records (model, uid) WHERE uid IS NOT NULL;
    CREATE INDEX IF NOT EXISTS by_user_code ON records (model, user_code) WHERE user_code IS NOT NULL;
    CREATE TABLE IF NOT EXISTS guests (
      id TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL, claims TEXT NOT NULL, UNIQUE (issuer, subject));
  `);
  // named: prepared once on each connection
  const run = (name, text, values) => pool.query({ name, text, values });

  const read = ({ rows: [row] }) => {
    if (!row || (row.expires !== null && row.expires < now())) return undefined;
    return { ...JSON.parse(row.payload), ...(row.consumed ? { consumed: row.consumed } : undefined) };
  };

  class PostgresAdapter {
    constructor(model) { this.model = model; }

    async upsert(id, payload, expiresIn) {
      await run('upsert', `INSERT INTO records (model, id, payload, grant_id, uid, user_code, expires)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload,
        grant_id = excluded.grant_id, uid = excluded.uid, user_code = excluded.user_code, expires = excluded.expires`,
      [this.model, id, JSON.stringify(payload), payload.grantId ?? null, payload.uid ?? null, payload.userCode ?? null,
        expiresIn ? now() + expiresIn : null]);
    }

    async find(id) {
      return read(await run('byId', 'SELECT payload, consumed, expires FROM records WHERE model = $1 AND id = $2',
        [this.model, id]));
    }

    async findByUid(uid) {
      return read(await run('byUid', 'SELECT payload, consumed, expires FROM records WHERE model = $1 AND uid = $2',
        [this.model, uid]));
    }

    async findByUserCode(code) {
      return read(await run('byUserCode',
        'SELECT payload, consumed, expires FROM records WHERE model = $1 AND user_code = $2', [this.model, code]));
    }

    async consume(id) {
      await run('consume', 'UPDATE records SET consumed = $1 WHERE model = $2 AND id = $3', [now(), this.model, id]);
    }

    async destroy(id) { await run('destroy', 'DELETE FROM records WHERE model = $1 AND id = $2', [this.model, id]); }

    async revokeByGrantId(grantId) { await run('revoke', 'DELETE FROM records WHERE grant_id = $1', [grantId]); }
  }

  const guests = {
    async signedIn(issuer, subject, claims, newId) {
      const said = JSON.stringify(claims);
      const { rows: [known] } = await run('guestBy', 'SELECT id, claims FROM guests WHERE issuer = $1 AND subject = $2',
        [issuer, subject]);
      if (!known) {
        await run('newGuest', 'INSERT INTO guests (id, issuer, subject, claims) VALUES ($1, $2, $3, $4)',
          [newId, issuer, subject, said]);
      } else if (known.claims !== said) {
        await run('refreshGuest', 'UPDATE guests SET claims = $1 WHERE id = $2', [said, known.id]);
      }
      return known?.id ?? newId;
    },
    async claims(id) {
      const { rows: [row] } = await run('guestById', 'SELECT claims FROM guests WHERE id = $1', [id]);
      return row && JSON.parse(row.claims);
    },
  };
  return { adapter: PostgresAdapter, guests };
}
