"""What the visitor counter answers: python3 -m unittest discover -s tests"""

import json
import pathlib
import sys
import types
import unittest

# The runtime brings the driver; here a number in memory is the database.
mokapot = types.ModuleType("mokapot")
sys.modules["mokapot"] = mokapot
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "functions"))

import visits  # noqa: E402


class Visits(unittest.TestCase):
    def setUp(self):
        self.count = None
        mokapot.query = self.query

    def query(self, sql, page):
        if sql is visits.COUNT_ONE:
            self.count = (self.count or 0) + 1
        return [] if self.count is None else [{"count": str(self.count)}]

    def ask(self, method):
        response = visits.handler({"requestContext": {"http": {"method": method}}}, None)
        return response["statusCode"], json.loads(response["body"])

    def test_a_visit_is_counted(self):
        self.assertEqual(self.ask("POST"), (200, {"count": 1}))
        self.assertEqual(self.ask("POST"), (200, {"count": 2}))

    def test_looking_counts_nothing(self):
        self.assertEqual(self.ask("GET"), (200, {"count": 0}))
        self.ask("POST")
        self.assertEqual(self.ask("GET"), (200, {"count": 1}))

    def test_other_methods_are_refused(self):
        self.assertEqual(self.ask("DELETE")[0], 405)


if __name__ == "__main__":
    unittest.main()
