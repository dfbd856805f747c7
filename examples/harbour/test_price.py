import unittest

import price


class Berth(unittest.TestCase):
    def test_a_night(self):
        self.assertEqual(price.berth(10, 1), 1500)

    def test_a_week_is_cheaper(self):
        self.assertEqual(price.berth(10, 7), 9450)

    def test_nothing_costs_nothing(self):
        with self.assertRaises(ValueError):
            price.berth(0, 1)


if __name__ == "__main__":
    unittest.main()
