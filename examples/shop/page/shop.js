// The page of the shop: lists the items of the API, and adds one.
const list = document.querySelector('#items');
const state = document.querySelector('#state');
const form = document.querySelector('#add');

async function show() {
  const answer = await fetch('api/items');
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  list.replaceChildren(
    ...body.items.map((item) => Object.assign(document.createElement('li'), { textContent: item.name })),
  );
  state.textContent = `${body.items.length} items, ${body.visits} visits`;
}

function fail(error) {
  state.textContent = `The shop can't answer: ${error.message}`;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const name = new FormData(form).get('name');
  fetch('api/items', { method: 'POST', body: JSON.stringify({ name }) })
    .then(() => {
      form.reset();
      return show();
    })
    .catch(fail);
});

show().catch(fail);
