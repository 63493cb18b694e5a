// The drawing of the meter comes whole from the server; this component lights its segments, moves its keys
// and sounds its buzzer. It knows no rule of the meter.
const FLASH_MS = 60;
const PRESS_MS = 110;
const KEYBOARD = { Backspace: "backspace", Enter: "enter" };
const EDITABLE = "input, textarea, select, [contenteditable=true]";
const CLICKABLE = "button, a, [role=button], [role=switch], [role=radio], [role=tab]";

export default {
  template: `<div class="joy-face" :style="blink" v-html="drawing"></div>`,
  props: { drawing: String, tones: Object, blink: Object },
  mounted() {
    const root = this.$el;
    this.lcd = root.querySelector(".joy-lcd");
    this.segments = { cell: [], index: [] };
    for (const group of ["cell", "index"]) {
      for (const element of root.querySelectorAll(`[data-${group}]`)) {
        this.segments[group].push([Number(element.dataset[group]), Number(element.dataset.bit), element]);
      }
    }
    this.icons = [...root.querySelectorAll("[data-icon]")];
    this.lights = Object.fromEntries([...root.querySelectorAll("[data-led]")].map((led) => [led.dataset.led, led]));
    this.keys = Object.fromEntries([...root.querySelectorAll("[data-key]")].map((key) => [key.dataset.key, key]));
    this.pulses = null;
    this.muted = false;
    this.quietAt = 0;
    root.addEventListener("click", (event) => {
      const key = event.target.closest("[data-key]");
      if (key) this.press(key.dataset.key);
    });
    this.onKeyDown = (event) => this.typed(event);
    this.onGesture = () => this.wakeSound();
    window.addEventListener("keydown", this.onKeyDown);
    window.addEventListener("pointerdown", this.onGesture);
    this.$emit("ready");
  },
  unmounted() {
    window.removeEventListener("keydown", this.onKeyDown);
    window.removeEventListener("pointerdown", this.onGesture);
  },
  methods: {
    typed(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      const target = event.target instanceof Element ? event.target : document.body;
      if (target.closest(EDITABLE)) return;
      const focused = target.closest("[data-key]");
      if (focused && event.key === " ") {
        event.preventDefault();
        this.press(focused.dataset.key);
        return;
      }
      const key = /^[0-9]$/.test(event.key) ? event.key : KEYBOARD[event.key];
      if (!key) return;
      // Enter on a button of the page belongs to that button, on a key of the meter to that key.
      if (key === "enter" && focused) {
        event.preventDefault();
        this.press(focused.dataset.key);
        return;
      }
      if (key === "enter" && target.closest(CLICKABLE)) return;
      event.preventDefault();
      // Whoever types digits is at the meter now; a later Enter must not click "Sell" again.
      if (document.activeElement && !focused) document.activeElement.blur();
      this.press(key);
    },
    press(key) {
      this.wakeSound();
      this.dip(key);
      this.$emit("press", key);
    },
    dip(key) {
      const element = this.keys[key];
      if (!element) return;
      element.classList.add("down");
      clearTimeout(element.rise);
      element.rise = setTimeout(() => element.classList.remove("down"), PRESS_MS);
    },
    show(state) {
      const { lcd, lights } = state;
      for (const [cell, bit, element] of this.segments.cell) element.classList.toggle("lit", (lcd.cells[cell] & bit) !== 0);
      for (const [cell, bit, element] of this.segments.index) element.classList.toggle("lit", (lcd.index_cells[cell] & bit) !== 0);
      const lit = new Set(lcd.icons);
      for (const element of this.icons) element.classList.toggle("lit", lit.has(element.dataset.icon));
      this.lcd.classList.toggle("backlit", state.backlit);
      this.lcd.classList.toggle("dead", state.dead);
      this.lcd.dataset.lcdText = lcd.text;
      this.lcd.dataset.lcdIndex = lcd.index;
      this.lcd.dataset.lcdIcons = lcd.icons.join(",");
      const label = `Display: ${lcd.text || "blank"}; ${lcd.icons.join(", ")}`;
      if (this.lcd.getAttribute("aria-label") !== label) this.lcd.setAttribute("aria-label", label);
      for (const [led, light] of Object.entries(lights)) this.light(led, light);
      this.pulse(state);
      for (const key of state.keys) this.dip(key);
      for (const sound of state.sounds) this.sound(sound);
    },
    light(led, light) {
      const element = this.lights[led];
      if (!element || element.dataset.light === light) return;
      element.dataset.light = light;
      element.classList.toggle("lit", light === "on");
      element.classList.toggle("slow", light === "slow blink");
      element.classList.toggle("fast", light === "fast blink");
      element.setAttribute("aria-label", `${led} light, ${light}`);
    },
    pulse(state) {
      const element = this.lights.pulse;
      element.dataset.pulses = state.pulses;
      const fresh = this.pulses !== null && state.pulses > this.pulses;
      this.pulses = state.pulses;
      if (state.pulse_steady) {
        clearTimeout(this.dark);
        this.dark = null;
        element.classList.add("lit");
      } else if (fresh) {
        element.classList.add("lit");
        clearTimeout(this.dark);
        this.dark = setTimeout(() => { element.classList.remove("lit"); this.dark = null; }, FLASH_MS);
      } else if (!this.dark) {
        element.classList.remove("lit");
      }
    },
    appear() {
      this.$el.scrollIntoView({ behavior: "smooth", block: "nearest" });
    },
    mute(muted) {
      this.muted = muted;
    },
    wakeSound() {
      if (!this.audio && window.AudioContext) this.audio = new AudioContext();
      if (this.audio && this.audio.state === "suspended") this.audio.resume();
    },
    sound(name) {
      if (this.muted || !this.audio || this.audio.state !== "running") return;
      // A buzzer has one voice: what would come more than a moment late, because it still speaks, is dropped.
      const now = this.audio.currentTime;
      let at = Math.max(now, this.quietAt);
      if (at > now + 0.25) return;
      for (const [frequency, onMs, offMs] of this.tones[name]) {
        const voice = this.audio.createOscillator();
        const level = this.audio.createGain();
        voice.type = "square";
        voice.frequency.value = frequency;
        const end = at + onMs / 1000;
        level.gain.setValueAtTime(0, at);
        level.gain.linearRampToValueAtTime(0.05, at + 0.004);
        level.gain.setValueAtTime(0.05, end - 0.004);
        level.gain.linearRampToValueAtTime(0, end);
        voice.connect(level).connect(this.audio.destination);
        voice.start(at);
        voice.stop(end);
        at = end + offMs / 1000;
      }
      this.quietAt = at;
    },
  },
};
