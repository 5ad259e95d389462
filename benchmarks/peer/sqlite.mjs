// A durable adapter for oidc-provider: one SQLite file, WAL, synchronous=FULL, every write committed before it answers.
import Database from 'better-sqlite3';

const now = () => Math.floor(Date.now() / 1000);

/** The adapter factory over `file`, and `guest(issuer, subject)`: the local id of somebody who signed in through a home. */
export function open(file) {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(`
    CREATE TABLE IF NOT EXISTS records (
      model TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL, grant_id TEXT, uid TEXT, user_code TEXT,
      consumed INTEGER, expires INTEGER, PRIMARY KEY (model, id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_grant ON records (grant_id) WHERE grant_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS by_uid ON records (model, uid) WHERE uid IS NOT NULL;
    CREATE INDEX IF NOT EXISTS by_user_code ON records (model, user_code) WHERE user_code IS NOT NULL;
    CREATE TABLE IF NOT EXISTS guests (
      id TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL, claims TEXT NOT NULL, UNIQUE (issuer, subject));
  `);
  const upsert = db.prepare(`INSERT INTO records (model, id, payload, grant_id, uid, user_code, expires)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload,
    grant_id = excluded.grant_id, uid = excluded.uid, user_code = excluded.user_code, expires = excluded.expires`);
  const byId = db.prepare('SELECT payload, consumed, expires FROM records WHERE model = ? AND id = ?');
  const byUid = db.prepare('SELECT payload, consumed, expires FROM records WHERE model = ? AND uid = ?');
  const byUserCode = db.prepare('SELECT payload, consumed, expires FROM records WHERE model = ? AND user_code = ?');
  const destroy = db.prepare('DELETE FROM records WHERE model = ? AND id = ?');
  const consume = db.prepare('UPDATE records SET consumed = ? WHERE model = ? AND id = ?');
  const revoke = db.prepare('DELETE FROM records WHERE grant_id = ?');
  const guestBy = db.prepare('SELECT id, claims FROM guests WHERE issuer = ? AND subject = ?');
  const guestById = db.prepare('SELECT claims FROM guests WHERE id = ?');
  const newGuest = db.prepare('INSERT INTO guests (id, issuer, subject, claims) VALUES (?, ?, ?, ?)');
  const refreshGuest = db.prepare('UPDATE guests SET claims = ? WHERE id = ?');

  const read = (row) => {
    if (!row || (row.expires !== null && row.expires < now())) return undefined;
    return { ...JSON.parse(row.payload), ...(row.consumed ? { consumed: row.consumed } : undefined) };
  };

  class SqliteAdapter {
    constructor(model) { this.model = model; }

    async upsert(id, payload, expiresIn) {
      upsert.run(this.model, id, JSON.stringify(payload), payload.grantId ?? null, payload.uid ?? null,
        payload.userCode ?? null, expiresIn ? now() + expiresIn : null);
    }

    async find(id) { return read(byId.get(this.model, id)); }

    async findByUid(uid) { return read(byUid.get(this.model, uid)); }

    async findByUserCode(code) { return read(byUserCode.get(this.model, code)); }

    async consume(id) { consume.run(now(), this.model, id); }

    async destroy(id) { destroy.run(this.model, id); }

    async revokeByGrantId(grantId) { revoke.run(grantId); }
  }

  const guests = {
    /** The local id for (issuer, subject), made at the first sign-in; claims are kept as the home last said them. */
    signedIn(issuer, subject, claims, newId) {
      const said = JSON.stringify(claims);
      const known = guestBy.get(issuer, subject);
      if (!known) newGuest.run(newId, issuer, subject, said);
      else if (known.claims !== said) refreshGuest.run(said, known.id);
      return known?.id ?? newId;
    },
    claims(id) {
      const row = guestById.get(id);
      return row && JSON.parse(row.claims);
    },
  };
  return { adapter: SqliteAdapter, guests };
}
