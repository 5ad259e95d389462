// Microsoft's own JavaScript client of Graph: npm @microsoft/microsoft-graph-client.
//
// config {base: "https://…/" without the version, tokenEndpoint, clientId, clientSecret, scope}
// call   {method, path, headers?, query?, body?} -> {answer}
// refuse {the same} -> {statusCode, code, message, requestId, date}: of the GraphError that it must end in
// pages  {path, headers?, query?} -> {rows, deltaLink}: by its PageIterator
// batch  {requests: [{id, method, path, body?, dependsOn?}]} -> {answers: {id: {status, body}}}
// invite {email, redirect, sp, role, group, directoryRole} -> the quick start in one script: {guest, redeemUrl, pending}
import graph from '@microsoft/microsoft-graph-client';

import { serve } from '../lines.mjs';

const config = JSON.parse(process.argv[2]);
let token;

async function getAccessToken() {
  if (token) return token;
  const body = new URLSearchParams({
    grant_type: 'client_credentials', scope: config.scope, client_id: config.clientId, client_secret: config.clientSecret,
  });
  token = (await (await fetch(config.tokenEndpoint, { method: 'POST', body })).json()).access_token;
  return token;
}

const client = graph.Client.initWithMiddleware({
  authProvider: { getAccessToken },
  baseUrl: config.base,
  customHosts: new Set([new URL(config.base).hostname]),
});

function request({ path, headers, query }) {
  return client.api(path).headers(headers ?? {}).query(query ?? {});
}

async function call(ask) {
  return { answer: await request(ask)[ask.method](ask.body) ?? null };
}

async function refuse(ask) {
  try {
    await request(ask)[ask.method](ask.body);
  } catch (error) {
    if (!(error instanceof graph.GraphError)) throw error;
    const { statusCode, code, message, requestId, date } = error;
    return { statusCode, code, message, requestId, date: date.toISOString() };
  }
  throw new Error(`${ask.method} ${ask.path} was not refused`);
}

async function pages(ask) {
  const rows = [];
  const iterator = new graph.PageIterator(client, await request(ask).get(), (row) => rows.push(row) > 0, { headers: ask.headers });
  await iterator.iterate();
  return { rows, deltaLink: iterator.getDeltaLink() ?? null };
}

async function batch({ requests }) {
  const steps = requests.map(({ id, method, path, body, dependsOn }) => ({
    id,
    dependsOn,
    request: new Request(`${config.base}v1.0${path}`, {
      method, body: body && JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
    }),
  }));
  const content = await new graph.BatchRequestContent(steps).getContent();
  const said = new graph.BatchResponseContent(await client.api('/$batch').post(content));
  const answers = {};
  for (const [id, response] of said.getResponses()) {
    answers[id] = { status: response.status, body: await response.json().catch(() => null) };
  }
  return { answers };
}

async function invite({ email, redirect, sp, role, group, directoryRole }) {
  const invitation = await client.api('/invitations').post({ invitedUserEmailAddress: email, inviteRedirectUrl: redirect });
  const guest = invitation.invitedUser.id;
  await client.api(`/servicePrincipals/${sp}/appRoleAssignedTo`).post({ principalId: guest, resourceId: sp, appRoleId: role });
  const reference = { '@odata.id': `${config.base}v1.0/directoryObjects/${guest}` };
  await client.api(`/groups/${group}/members/$ref`).post(reference);
  await client.api(`/directoryRoles/${directoryRole}/members/$ref`).post(reference);
  const listed = await client.api('/users')
    .header('ConsistencyLevel', 'eventual')
    .filter("userType eq 'Guest' and externalUserState eq 'PendingAcceptance'")
    .select(['id', 'mail', 'externalUserState'])
    .count(true)
    .get();
  return { guest, redeemUrl: invitation.inviteRedeemUrl, pending: listed.value };
}

await serve({ call, refuse, pages, batch, invite });
