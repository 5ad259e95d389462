// A home tenant that costs little: signs everyone in at once, without a page or a store.
//
// argv[2]: JSON {port, clients: {id: secret}}. Who sits at the browser is in its cookie `person` (sub and e-mail);
// everyone did pwd, otp, mfa.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:http';

const { port, clients } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const MFA = 'https://refeds.org/profile/mfa';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'home' }] });
const codes = new Map();

const metadata = JSON.stringify({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256'],
  token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
  code_challenge_methods_supported: ['S256'],
  acr_values_supported: [MFA],
  authorization_response_iss_parameter_supported: true,
});

function authorize(params, person) {
  const code = randomBytes(24).toString('base64url');
  codes.set(code, { params, person });
  const to = new URL(params.get('redirect_uri'));
  to.searchParams.set('code', code);
  to.searchParams.set('state', params.get('state'));
  to.searchParams.set('iss', issuer);
  return to.href;
}

function client(req, form) {
  const basic = /^Basic (.+)$/.exec(req.headers.authorization ?? '')?.[1];
  const [id, secret] = basic
    ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
    : [form.get('client_id'), form.get('client_secret')];
  return secret !== undefined && clients[id] === secret ? id : undefined;
}

/** A JWT of these claims. */
function signed(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'ES256', kid: 'home' })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

async function token(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  const form = new URLSearchParams(text);
  const { params: asked, person: email } = codes.get(form.get('code')) ?? {};
  codes.delete(form.get('code'));
  const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
  const id = client(req, form);
  if (!asked || !id || id !== asked.get('client_id') || challenge !== asked.get('code_challenge')) return undefined;
  const [given_name, family_name] = email.split('@');
  const now = Math.floor(Date.now() / 1000);
  const idToken = signed({
    iss: issuer, aud: id, iat: now, exp: now + 300, sub: email, email, email_verified: true, name: email, given_name, family_name, nonce: asked.get('nonce') ?? undefined,
    amr: ['pwd', 'otp', 'mfa'], acr: MFA, auth_time: now,
  });
  return { access_token: randomBytes(24).toString('base64url'), token_type: 'Bearer', expires_in: 300, id_token: idToken };
}

createServer(async (req, res) => {
  const url = new URL(req.url, issuer);
  const json = (status, body) => res.writeHead(status, { 'content-type': 'application/json' }).end(body);
  if (url.pathname === '/authorize') {
    const person = /(?:^|; )person=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
    if (!person) return json(400, '{"error":"login_required"}');
    return res.writeHead(302, { location: authorize(url.searchParams, person) }).end();
  }
  if (url.pathname === '/token') {
    const answer = await token(req);
    return answer ? json(200, JSON.stringify(answer)) : json(400, '{"error":"invalid_grant"}');
  }
  if (url.pathname === '/jwks') return json(200, jwks);
  if (url.pathname === '/.well-known/openid-configuration') return json(200, metadata);
  return json(404, '{}');
}).listen(port, '127.0.0.1');
