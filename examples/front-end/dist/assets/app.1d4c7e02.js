// An application of one page: it reads the path itself, whatever it is.
const version = "version 1";
const places = { "/": "Low water at 11:20.", "/tides": "High water at 5:05 and 17:31." };
document.querySelector("main").textContent =
  `${places[location.pathname] ?? "There is nothing here."} (${version})`;
