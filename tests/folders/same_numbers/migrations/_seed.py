VENUES = [("Arena", 12000), ("Club 27", 180), ("Théâtre d'Été", 650)]
EVENTS = [("Arena", "Opening night"), ("Club 27", "Jam: open mic"), ("Arena", "Final")]
