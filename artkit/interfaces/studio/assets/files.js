// Files that a place does not take: stopped before they are uploaded, and told to artkit, which says what to do.
function stranger(files, accept) {
  const kinds = accept.toLowerCase().split(",").map(kind => kind.trim());
  const fits = (file, kind) => (kind.startsWith(".") ? file.name.toLowerCase().endsWith(kind)
    : kind.endsWith("/*") ? file.type.startsWith(kind.slice(0, -1)) : file.type === kind);
  return [...files].find(file => !kinds.some(kind => fits(file, kind)));
}

function check(event) {
  const input = event.target.closest?.(".block")?.querySelector("input[type=file][accept]");
  const files = event.type === "drop" ? event.dataTransfer.files : event.target.files;
  const found = input?.accept && files && stranger(files, input.accept);
  if (!found) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  event.target.dispatchEvent(new DragEvent("dragleave", {bubbles: true}));
  props.value = [found.name, input.accept, Date.now()];
  trigger("input");
}

for (const type of ["drop", "change"]) document.addEventListener(type, check, true);
