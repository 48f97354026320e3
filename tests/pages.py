"""What tests of pages share."""

import json
from html.parser import HTMLParser


class Parts(HTMLParser):
    """The scripts, tags and texts of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.cells, self.text, self.in_cell = [], [], [], [], "", False
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.data = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self.in_cell = self.in_cell or tag == "td"
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag != "td"

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts.append(data)
        elif "body" in self.tags:
            self.text += data
        if self.in_cell:
            self.cells[-1] += data
