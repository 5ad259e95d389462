// Front-channel logout: go on once the frames of all apps are loaded, or after three seconds.
const next = document.querySelector('main').dataset.next;
const goOn = () => location.replace(next);
addEventListener('load', goOn);
setTimeout(goOn, 3000);
