mod epoch;
