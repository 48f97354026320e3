// The parts of ECharts that the pages use: `make echarts` bundles them.
import { use } from "echarts/core";
import { LineChart, ParallelChart, ScatterChart } from "echarts/charts";
import { GridSimpleComponent, ParallelComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, ParallelChart, ScatterChart, GridSimpleComponent, ParallelComponent, SVGRenderer]);
export { init } from "echarts/core";
