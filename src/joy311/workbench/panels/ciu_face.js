// The drawing of the customer interface unit comes whole from the server; this component lights its segments and
// tells which key was clicked. The keyboard of the computer belongs to the meter.
const PRESS_MS = 110;

export default {
  template: `<div class="joy-face joy-ciu-face" v-html="drawing"></div>`,
  props: { drawing: String },
  mounted() {
    const root = this.$el;
    this.lcd = root.querySelector(".joy-lcd");
    this.segments = [];
    for (const group of ["cell", "index"]) {
      for (const element of root.querySelectorAll(`[data-${group}]`)) {
        this.segments.push([group, Number(element.dataset[group]), Number(element.dataset.bit), element]);
      }
    }
    this.icons = [...root.querySelectorAll("[data-icon]")];
    this.light = root.querySelector("[data-ciu-light]");
    const press = (target) => {
      const key = target.closest("[data-key]");
      if (!key) return false;
      key.classList.add("down");
      setTimeout(() => key.classList.remove("down"), PRESS_MS);
      this.$emit("press", key.dataset.key);
      return true;
    };
    root.addEventListener("click", (event) => press(event.target));
    root.addEventListener("keydown", (event) => {
      if ((event.key === "Enter" || event.key === " ") && press(event.target)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    this.$emit("ready");
  },
  methods: {
    show(state) {
      const { lcd } = state;
      const cells = { cell: lcd.cells, index: lcd.index_cells };
      for (const [group, cell, bit, element] of this.segments) {
        element.classList.toggle("lit", (cells[group][cell] & bit) !== 0);
      }
      const lit = new Set(lcd.icons);
      for (const element of this.icons) element.classList.toggle("lit", lit.has(element.dataset.icon));
      this.lcd.classList.toggle("dead", !state.lit);
      this.lcd.dataset.lcdText = lcd.text;
      this.lcd.dataset.lcdIcons = lcd.icons.join(",");
      this.lcd.setAttribute("aria-label", `Unit's display: ${lcd.text || "blank"}; ${lcd.icons.join(", ")}`);
      this.light.classList.toggle("lit", state.light === "on");
      this.light.classList.toggle("slow", state.light === "slow blink");
      this.light.classList.toggle("fast", state.light === "fast blink");
    },
  },
};
