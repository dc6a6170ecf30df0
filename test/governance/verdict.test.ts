// The built-in rule, over all its cases.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, type Request, type Role } from '#governance';

const roles: readonly Role[] = ['viewer', 'member', 'admin'];

function ask(role: Role, rest: Partial<Request> = {}) {
  const principal = { name: 'ann', stack: 'one', role, by: 'token' } as const;
  return decide({
    principal,
    operation: 'run',
    readOnly: false,
    changesMembership: false,
    fromElsewhere: false,
    remote: true,
    ...rest,
  });
}

test('everybody may look, members may operate, and only admins may change who belongs', () => {
  const allowed = (rest: Partial<Request>) => roles.filter((role) => ask(role, rest).outcome === 'allow');
  assert.deepEqual(allowed({ readOnly: true }), ['viewer', 'member', 'admin']);
  assert.deepEqual(allowed({}), ['member', 'admin']);
  assert.deepEqual(allowed({ changesMembership: true }), ['admin']);
});

test('what is not open to other stacks is denied to them, whatever their role, even to look', () => {
  for (const role of roles) {
    const verdict = ask(role, { fromElsewhere: true, remote: false, readOnly: true });
    assert.deepEqual([verdict.outcome, verdict.rule], ['deny', 'built-in/local-only']);
  }
  assert.equal(ask('member', { fromElsewhere: true, remote: true }).outcome, 'allow');
});

test('a denial names the role that is needed and the one that asks', () => {
  assert.match(ask('viewer').reason, /"run" needs the role "member", and the caller is "viewer"/);
});
